package payment

import "time"

// Verdict is what a payer's answer proves. The zero value is the safe one: in
// doubt the payer is asked, never called again.
type Verdict int

// The verdicts.
const (
	VerdictUnknown    Verdict = iota // anything may have happened
	VerdictCharged                   // the money moved, once, in the amount asked for
	VerdictDeclined                  // definitely not charged, and will not be
	VerdictNotCharged                // definitely not charged; may be sent again
	VerdictPending                   // the payer decides later
	VerdictNotFound                  // a look-up only: the payer knows no such charge
)

// String names the verdict as it is kept with an attempt.
func (v Verdict) String() string {
	switch v {
	case VerdictUnknown:
		return "unknown"
	case VerdictCharged:
		return "charged"
	case VerdictDeclined:
		return "declined"
	case VerdictNotCharged:
		return "not_charged"
	case VerdictPending:
		return "pending"
	case VerdictNotFound:
		return "not_found"
	}
	return "unknown"
}

// Answer is what came of one call of the payer. Adapters never return an error:
// an error is an Answer whose verdict says what it proves.
type Answer struct {
	Verdict        Verdict
	PayerReference string        // the payer's id of the charge, if it gave one
	Failure        Failure       // if declined; for operators otherwise
	RetryAfter     time.Duration // what the payer asked for, 0 if nothing
	Mismatch       bool          // it speaks of another amount, currency or reference: alarm
	Evidence       Evidence
}

// Evidence is kept with the attempt so that a human can judge it later.
type Evidence struct {
	HTTPStatus int    // 0 if no answer came
	RequestID  string // the payer's id of the exchange, if it gave one
	Excerpt    string // of the body or of the error, at most EvidenceBytesMax
}

// EvidenceBytesMax limits an excerpt.
const EvidenceBytesMax = 500

// Traits are what a payer offers; they decide what may be done in doubt. An
// adapter declares them, and its tests hold it to them.
type Traits struct {
	// KeyWindow is how long the payer remembers an idempotency key at the least; 0
	// means that it has none.
	KeyWindow time.Duration
	// KeyBytesMax is the longest key that the payer takes; 0 means that no limit is
	// known.
	KeyBytesMax int
	// CanLookup tells that a charge can be found by our id.
	CanLookup bool
	// VisibilityDelay is how long after a call had certainly ended its charge may
	// still come, or be missed by a look-up or a void.
	VisibilityDelay time.Duration
	// CanVoid tells that a charge can be voided by our id, and that the payer says
	// so also if there is none.
	CanVoid bool
	// CanPend tells that the payer may take a payment on and decide later.
	CanPend bool
}
