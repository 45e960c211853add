package simulator

import (
	"fmt"
	"time"

	"github.com/paybuf/paybuf/payment"
)

// Defaults of Options.
const (
	keyWindowDefault   = 24 * time.Hour
	hangTimeoutDefault = time.Minute
)

// DeclinedMethod is a payment method that is always declined, so that a client can
// try what it does then without declining all others.
const DeclinedMethod = "tok_declined"

// Options say how the payer behaves. The zero value is a payer that behaves
// well, but for the ledger's file, which is required. A rate is 0 (never) to 1
// (always).
type Options struct {
	// Ledger is the file of charges. It is made if it does not exist.
	Ledger string
	// Seed makes a run repeatable: same seed, references and sends, same faults.
	Seed uint64

	// Latency is how long each send takes, and Jitter up to how much longer. The
	// charge comes after it, even if the client has left by then.
	Latency time.Duration
	Jitter  time.Duration

	// Capacity is how many sends the payer works on at once, each for its latency.
	// Others wait for their turn, so that calls take longer the more there are; with
	// RefuseOver they are answered 429 at once. 0 means any number.
	Capacity   int
	RefuseOver bool

	// Decline is the rate of sends that are declined.
	Decline float64
	// Pending is the rate of sends that are decided only after PendingFor, and
	// PendingDecline the rate of those that are declined then. Decline and Pending
	// must not exceed 1 together.
	Pending        float64
	PendingFor     time.Duration
	PendingDecline float64

	// IgnoreKeys makes a payer without idempotency keys: each send charges.
	IgnoreKeys bool
	// KeyWindow is how long a key is remembered. 0 means 24 h.
	KeyWindow time.Duration
	// NoLookup makes a payer that cannot be asked.
	NoLookup bool
	// Double is the rate of charges that the payer makes a second time by itself: its
	// answers tell of the first, its statement of both.
	Double float64
	// CanVoid makes a payer that takes charges back.
	CanVoid bool

	Faults  Faults
	Lookups LookupFaults
	Voids   VoidFaults
}

// Faults are the rates of what goes wrong with a send. At most one strikes a
// send, except Late, so the others must not exceed 1 together.
type Faults struct {
	Unavailable float64 // 503 with RetryAfter, not charged
	RateLimited float64 // 429 with RetryAfter, not charged
	ErrorBefore float64 // 500, not charged
	ErrorAfter  float64 // 500, charged
	ResetBefore float64 // connection reset, not charged
	ResetAfter  float64 // connection reset, charged
	Hang        float64 // no answer until the client leaves or HangTimeout
	WrongAmount float64 // charged rightly, another amount in the answer
	Garbage     float64 // charged, an answer that nobody can read
	ErrorKept   float64 // 500, charged; other sends with the key are answered the same
	ErrorUsed   float64 // 500, not charged, and kept likewise: the key is used up
	InProgress  float64 // 409 as for a key that is being worked on, charged

	// Late is the rate of charges that look-ups miss for LateFor.
	Late    float64
	LateFor time.Duration

	// RetryAfter is sent with 503 and 429, in whole seconds, also if 0.
	RetryAfter time.Duration
	// HangCharges makes a send that hangs charge first.
	HangCharges bool
	// HangTimeout ends a hang. 0 means 1 min.
	HangTimeout time.Duration
	// SendsMax confines the faults, but for Late, to the first so many sends of a
	// reference. 0 means all.
	SendsMax int
}

// LookupFaults are the rates of what goes wrong with a look-up. At most one
// strikes, so they must not exceed 1 together.
type LookupFaults struct {
	Unavailable float64 // 503 with Retry-After
	Error       float64 // 500
	Hang        float64 // no answer until the client leaves or Faults.HangTimeout
}

// VoidFaults are the rates of what goes wrong with a void.
type VoidFaults struct {
	// Settled is the rate of references whose charges can no longer be taken back.
	Settled float64
	// Lost is the rate of voids that work and are answered 500.
	Lost float64
}

// withDefaults checks the options. The error is a *payment.Error with CodeConfig
// that names the option.
func (o Options) withDefaults() (Options, error) {
	if o.Ledger == "" {
		return o, badOption("Ledger is the name of a file and must be given")
	}
	if err := o.checkRates(); err != nil {
		return o, err
	}
	for name, d := range map[string]time.Duration{
		"Latency": o.Latency, "Jitter": o.Jitter, "PendingFor": o.PendingFor, "KeyWindow": o.KeyWindow,
		"LateFor": o.Faults.LateFor, "RetryAfter": o.Faults.RetryAfter, "HangTimeout": o.Faults.HangTimeout,
	} {
		if d < 0 {
			return o, badOption(name + " must not be negative")
		}
	}
	if o.Capacity < 0 {
		return o, badOption("Capacity must not be negative")
	}
	if o.Faults.SendsMax < 0 {
		return o, badOption("SendsMax must not be negative")
	}
	if o.KeyWindow == 0 {
		o.KeyWindow = keyWindowDefault
	}
	if o.Faults.HangTimeout == 0 {
		o.Faults.HangTimeout = hangTimeoutDefault
	}
	return o, nil
}

func (o Options) checkRates() error {
	groups := [][]rate{
		{{name: "Decline", value: o.Decline}, {name: "Pending", value: o.Pending}},
		{{name: "PendingDecline", value: o.PendingDecline}},
		{{name: "Double", value: o.Double}},
		{{name: "Late", value: o.Faults.Late}},
		{{name: "Settled", value: o.Voids.Settled}},
		{{name: "Lost", value: o.Voids.Lost}},
		o.Faults.rates(),
		o.Lookups.rates(),
	}
	for _, group := range groups {
		sum := 0.0
		for _, r := range group {
			if !(r.value >= 0 && r.value <= 1) { // also true of NaN
				return badOption(r.name + " is a rate and must be 0 to 1")
			}
			sum += r.value
		}
		if sum > 1+rateSlack {
			return badOption(fmt.Sprintf("%s and the rates beside it must not exceed 1 together", group[0].name))
		}
	}
	return nil
}

func badOption(detail string) error {
	return &payment.Error{Code: payment.CodeConfig, Detail: "payer simulator: " + detail}
}
