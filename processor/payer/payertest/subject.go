package payertest

import (
	"context"
	"crypto/sha256"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/paybuf/paybuf/payment"
)

// Payer is what is tested, as the processor declares it.
type Payer interface {
	Charge(ctx context.Context, request payment.Request) payment.Answer
	Lookup(ctx context.Context, id payment.ID, money payment.Money) payment.Answer
	Traits() payment.Traits
}

// Voider is a payer that declares CanVoid, as the processor declares it.
type Voider interface {
	Void(ctx context.Context, id payment.ID, money payment.Money) payment.Answer
}

// Subject is a payer and its oracle.
type Subject struct {
	Payer Payer
	// Charges gives what was charged under a reference and stands, by the account
	// of the side that moves the money, oldest first.
	Charges func(t *testing.T, id payment.ID) []payment.Money
	// Voids gives likewise what was charged and taken back. It may be nil if the
	// payer cannot void.
	Voids func(t *testing.T, id payment.ID) []payment.Money
}

// Open makes a fresh subject that misbehaves as told, for one case.
type Open func(t *testing.T, faults Faults) Subject

// LateFor is for how long a charge that is Late is missed by look-ups.
const LateFor = 200 * time.Millisecond

// Faults say how a subject must behave. The zero value behaves well.
type Faults struct {
	// First happens to the first send of each reference; later ones are answered
	// properly.
	First Fault
	// Outcome is what the payer decides.
	Outcome Outcome
	// Late makes look-ups miss a charge for LateFor, which the declared visibility
	// delay covers.
	Late bool
	// Lookup happens to every look-up.
	Lookup LookupFault
	// Void happens to every void.
	Void VoidFault
}

// Fault is what goes wrong with a send.
type Fault int

// The faults.
const (
	NoFault     Fault = iota
	Unavailable       // not charged, the payer says so and asks to wait 1 s
	RateLimited       // likewise, because of too many sends
	ErrorBefore       // not charged, an internal error
	ErrorAfter        // charged, an internal error
	ResetBefore       // not charged, the answer is lost
	ResetAfter        // charged, the answer is lost
	Hang              // not charged, no answer for longer than a test runs
	HangAfter         // charged, no answer for longer than a test runs
	WrongAmount       // charged rightly, the answer tells another amount
	Garbage           // charged, the answer cannot be read
	ErrorKept         // charged, an internal error, and so is each other send with the key
	ErrorUsed         // not charged, and the key is used up in the same way
	InProgress        // charged, the answer is that the key is being worked on
)

// Outcome is what the payer decides.
type Outcome int

// The outcomes.
const (
	Approve      Outcome = iota
	Decline              // at once
	ApproveLater         // pending first
	DeclineLater         // pending first
)

// LookupFault is what goes wrong with a look-up.
type LookupFault int

// The faults of a look-up.
const (
	NoLookupFault     LookupFault = iota
	LookupUnavailable             // asks to come again, as a send may be asked
	LookupError                   // an internal error
	LookupHang                    // no answer for longer than a test runs
)

// VoidFault is what goes wrong with a void.
type VoidFault int

// The faults of a void.
const (
	NoVoidFault VoidFault = iota
	VoidSettled           // it is too late, the charge stands
	VoidLost              // taken back, an internal error
)

const (
	// callTimeout ends a call whose payer hangs; graceful is how much longer the
	// call may take to come back.
	callTimeout = 300 * time.Millisecond
	graceful    = 2 * time.Second
	// patience bounds the wait for something that must come.
	patience = 10 * time.Second
	pause    = 5 * time.Millisecond
)

// PaymentMethod is in every request and must not be in any evidence.
const PaymentMethod = "tok_never_to_be_seen"

var orders atomic.Int64

// NewRequest gives a request with an identity of its own.
func NewRequest(t testing.TB) payment.Request {
	t.Helper()
	secret := sha256.Sum256([]byte("payertest"))
	key, err := payment.NewIDKey(secret[:])
	if err != nil {
		t.Fatal(err)
	}
	request, err := payment.NewRequest(key, "shop", payment.Draft{
		OrderNumber:   fmt.Sprintf("A-%d", orders.Add(1)),
		AmountMinor:   1999,
		Currency:      "EUR",
		PaymentMethod: PaymentMethod,
		Customer:      "c_81",
		Metadata:      map[string]string{"cart": "918273", "shelf": "4"},
	}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return request
}

// subject adds to every call the checks that hold for every answer.
type subject struct {
	Subject
	t *testing.T
}

func (s subject) charge(request payment.Request) payment.Answer {
	s.t.Helper()
	return s.chargeIn(s.t.Context(), request)
}

func (s subject) chargeIn(ctx context.Context, request payment.Request) payment.Answer {
	s.t.Helper()
	answer := s.Payer.Charge(ctx, request)
	if answer.Verdict == payment.VerdictNotFound {
		s.t.Error("a charge was answered not found, which only a look-up can be")
	}
	s.check(answer)
	return answer
}

func (s subject) lookup(request payment.Request) payment.Answer {
	s.t.Helper()
	return s.lookupFor(s.t.Context(), request.ID, request.Money)
}

func (s subject) lookupFor(ctx context.Context, id payment.ID, money payment.Money) payment.Answer {
	s.t.Helper()
	answer := s.Payer.Lookup(ctx, id, money)
	if answer.Verdict == payment.VerdictNotCharged {
		s.t.Error("a look-up was answered not charged, which it cannot prove")
	}
	s.check(answer)
	return answer
}

// check holds an answer to what every answer owes, and this payer's in particular.
func (s subject) check(answer payment.Answer) {
	s.t.Helper()
	CheckAnswer(s.t, answer)
	if answer.Verdict == payment.VerdictPending && !s.Payer.Traits().CanPend {
		s.t.Error("answered pending by a payer that declares that it never decides later")
	}
}

// CheckAnswer holds an answer to what every answer owes.
func CheckAnswer(t *testing.T, answer payment.Answer) {
	t.Helper()
	excerpt := answer.Evidence.Excerpt
	switch {
	case answer.Verdict == payment.VerdictCharged && answer.PayerReference == "":
		t.Error("charged, but by no reference of the payer")
	case answer.Verdict == payment.VerdictDeclined && (answer.Failure.Code == "" || answer.Failure.Message == ""):
		t.Error("declined, but not why")
	case answer.Mismatch && answer.Verdict != payment.VerdictUnknown:
		t.Errorf("a mismatch was answered %s, which it cannot prove", answer.Verdict)
	case answer.RetryAfter < 0:
		t.Errorf("RetryAfter is %s", answer.RetryAfter)
	case len(excerpt) > payment.EvidenceBytesMax:
		t.Errorf("the excerpt has %d bytes", len(excerpt))
	case !utf8.ValidString(excerpt) || strings.ContainsFunc(excerpt, func(r rune) bool { return !unicode.IsPrint(r) }):
		t.Errorf("the excerpt is not printable: %q", excerpt)
	}
	for _, text := range []string{excerpt, answer.Failure.Code, answer.Failure.Message, answer.Evidence.RequestID} {
		if strings.Contains(text, PaymentMethod) {
			t.Errorf("the payment method is in the answer: %q", text)
		}
	}
}

// want fails unless the answer has the verdict.
func (s subject) want(answer payment.Answer, verdict payment.Verdict) {
	s.t.Helper()
	if answer.Verdict != verdict {
		s.t.Fatalf("verdict is %s (%+v), want %s", answer.Verdict, answer, verdict)
	}
}

// wantCharges fails unless the money moved so many times, each in full.
func (s subject) wantCharges(request payment.Request, n int) {
	s.t.Helper()
	charges := s.Charges(s.t, request.ID)
	if len(charges) != n {
		s.t.Fatalf("%d charges, want %d", len(charges), n)
	}
	for _, money := range charges {
		if money != request.Money {
			s.t.Fatalf("charged %s, want %s", money, request.Money)
		}
	}
}

// resolve asks until the verdict comes, as long as patience lasts. A payer that
// cannot be asked must answer unknown, for ever.
func (s subject) resolve(request payment.Request, verdict payment.Verdict) {
	s.t.Helper()
	answer := s.lookup(request)
	if !s.Payer.Traits().CanLookup {
		s.want(answer, payment.VerdictUnknown)
		return
	}
	for deadline := time.Now().Add(patience); answer.Verdict != verdict && time.Now().Before(deadline); {
		tick := time.NewTimer(pause)
		<-tick.C
		answer = s.lookup(request)
	}
	s.want(answer, verdict)
}
