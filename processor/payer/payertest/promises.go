package payertest

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/paybuf/paybuf/payment"
)

var errTestDeadline = errors.New("the test's deadline")

func chargesOnce(s subject) {
	request := NewRequest(s.t)
	s.want(s.charge(request), payment.VerdictCharged)
	s.wantCharges(request, 1)
	s.resolve(request, payment.VerdictCharged)
}

func sameKeyAgain(s subject) {
	request := NewRequest(s.t)
	first, again := s.charge(request), s.charge(request)
	s.want(first, payment.VerdictCharged)
	s.want(again, payment.VerdictCharged)
	if s.Payer.Traits().KeyWindow == 0 {
		s.wantCharges(request, 2) // what a payer without keys does, and why it must declare it
		return
	}
	s.wantCharges(request, 1)
	if first.PayerReference != again.PayerReference {
		s.t.Errorf("one charge has two references, %q and %q", first.PayerReference, again.PayerReference)
	}
}

func sameKeyAtOnce(s subject) {
	const sends = 16
	request := NewRequest(s.t)
	answers := make([]payment.Answer, sends)
	var all sync.WaitGroup
	for i := range answers {
		all.Go(func() { answers[i] = s.charge(request) })
	}
	all.Wait()
	charged := 0
	for _, answer := range answers {
		switch answer.Verdict {
		case payment.VerdictCharged:
			charged++
		case payment.VerdictUnknown: // the same key in progress
		case payment.VerdictDeclined, payment.VerdictNotCharged, payment.VerdictPending, payment.VerdictNotFound:
			s.t.Errorf("answered %s", answer.Verdict)
		}
	}
	if s.Payer.Traits().KeyWindow == 0 {
		s.wantCharges(request, charged)
		return
	}
	if charged == 0 {
		s.t.Error("no send was answered charged")
	}
	s.wantCharges(request, 1)
}

func sameKeyForAnotherAmount(s subject) {
	request := NewRequest(s.t)
	s.want(s.charge(request), payment.VerdictCharged)
	other := request
	other.Money = anotherAmount(s.t)
	answer := s.charge(other)
	if s.Payer.Traits().KeyWindow == 0 {
		s.want(answer, payment.VerdictCharged)
		return
	}
	s.want(answer, payment.VerdictUnknown)
	s.wantCharges(request, 1)
}

func declinedIsFinal(s subject) {
	request := NewRequest(s.t)
	s.want(s.charge(request), payment.VerdictDeclined)
	s.resolve(request, payment.VerdictDeclined)
	s.want(s.charge(request), payment.VerdictDeclined)
	s.wantCharges(request, 0)
}

func pendingThen(verdict payment.Verdict, charges int) func(subject) {
	return func(s subject) {
		request := NewRequest(s.t)
		s.want(s.charge(request), payment.VerdictPending)
		s.resolve(request, verdict)
		if s.Payer.Traits().CanLookup {
			s.wantCharges(request, charges)
		}
	}
}

func notChargedThenCharged(s subject) {
	request := NewRequest(s.t)
	answer := s.charge(request)
	s.want(answer, payment.VerdictNotCharged)
	if answer.RetryAfter != time.Second {
		s.t.Errorf("RetryAfter is %s, want the second that the payer asked for", answer.RetryAfter)
	}
	s.wantCharges(request, 0)
	s.want(s.charge(request), payment.VerdictCharged)
	s.wantCharges(request, 1)
}

func unknownThenNotFound(s subject) {
	request := NewRequest(s.t)
	s.want(s.charge(request), payment.VerdictUnknown)
	s.resolve(request, payment.VerdictNotFound)
	s.wantCharges(request, 0)
	s.want(s.charge(request), payment.VerdictCharged)
	s.wantCharges(request, 1)
}

// errorIsRepeated: a payer that keeps its errors answers every other send with the
// key with the same one, so that only a look-up finds out.
func errorIsRepeated(found payment.Verdict, charges int) func(subject) {
	return func(s subject) {
		if s.Payer.Traits().KeyWindow == 0 {
			return // there is no key to keep an error with
		}
		request := NewRequest(s.t)
		for range 3 {
			s.want(s.charge(request), payment.VerdictUnknown)
			s.wantCharges(request, charges)
		}
		s.resolve(request, found)
		s.wantCharges(request, charges)
	}
}

func declaresWhatCanBe(s subject) {
	traits := s.Payer.Traits()
	if traits.KeyWindow < 0 || traits.VisibilityDelay < 0 {
		s.t.Errorf("negative times: %+v", traits)
	}
	if traits.KeyWindow > 0 && traits.KeyBytesMax != 0 && traits.KeyBytesMax < payment.IDLength {
		s.t.Errorf("a key of at most %d bytes cannot be a payment id, which has %d", traits.KeyBytesMax, payment.IDLength)
	}
	if _, isVoider := s.Payer.(Voider); traits.CanVoid && !isVoider {
		s.t.Error("it declares that it can void, and offers no way to")
	}
}

func unknownThenCharged(s subject) {
	request := NewRequest(s.t)
	answer := s.charge(request)
	s.want(answer, payment.VerdictUnknown)
	if answer.Mismatch {
		s.t.Error("a lost answer is no mismatch")
	}
	s.resolve(request, payment.VerdictCharged)
	s.wantCharges(request, 1)
}

// lookupSeesLate holds each look-up to the moment at which it was made.
func lookupSeesLate(s subject) {
	request := NewRequest(s.t)
	began := time.Now()
	s.want(s.charge(request), payment.VerdictUnknown)
	called := time.Now()
	if !s.Payer.Traits().CanLookup {
		s.resolve(request, payment.VerdictCharged)
		return
	}
	asked, answer := time.Now(), s.lookup(request)
	if time.Since(began) < LateFor {
		s.want(answer, payment.VerdictNotFound)
	}
	s.wantCharges(request, 1)
	for answer.Verdict != payment.VerdictCharged {
		s.want(answer, payment.VerdictNotFound)
		if late, declared := asked.Sub(called), s.Payer.Traits().VisibilityDelay; late > declared {
			s.t.Fatalf("not found after %s, %s were declared", late, declared)
		}
		tick := time.NewTimer(pause)
		<-tick.C
		asked, answer = time.Now(), s.lookup(request)
	}
}

func hangs(charges int) func(subject) {
	return func(s subject) {
		request := NewRequest(s.t)
		ctx, cancel := context.WithTimeoutCause(s.t.Context(), callTimeout, errTestDeadline)
		defer cancel()
		began := time.Now()
		s.want(s.chargeIn(ctx, request), payment.VerdictUnknown)
		if took := time.Since(began); took > callTimeout+graceful {
			s.t.Errorf("answered after %s, the deadline was %s", took, callTimeout)
		}
		s.wantCharges(request, charges)
		if charges == 0 {
			s.resolve(request, payment.VerdictNotFound)
			return
		}
		s.resolve(request, payment.VerdictCharged)
	}
}

func wrongAmount(s subject) {
	request := NewRequest(s.t)
	answer := s.charge(request)
	s.want(answer, payment.VerdictUnknown)
	if !answer.Mismatch {
		s.t.Error("another amount in the answer is not marked as a mismatch")
	}
	s.resolve(request, payment.VerdictCharged)
	s.wantCharges(request, 1)
}

func givenUpBefore(s subject) {
	request := NewRequest(s.t)
	ctx, cancel := context.WithCancel(s.t.Context())
	cancel()
	s.want(s.chargeIn(ctx, request), payment.VerdictUnknown)
	s.want(s.lookupFor(ctx, request.ID, request.Money), payment.VerdictUnknown)
	s.wantCharges(request, 0)
}

func givenUpDuring(s subject) {
	request := NewRequest(s.t)
	ctx, cancel := context.WithCancel(s.t.Context())
	var answer payment.Answer
	var call sync.WaitGroup
	call.Go(func() { answer = s.chargeIn(ctx, request) })
	deadline := time.Now().Add(patience)
	for len(s.Charges(s.t, request.ID)) == 0 && time.Now().Before(deadline) {
		tick := time.NewTimer(pause)
		<-tick.C
	}
	cancel()
	call.Wait()
	s.want(answer, payment.VerdictUnknown)
	s.wantCharges(request, 1)
	s.resolve(request, payment.VerdictCharged)
}

func lookupOfNothing(s subject) {
	s.resolve(NewRequest(s.t), payment.VerdictNotFound)
}

func lookupForAnotherAmount(s subject) {
	request := NewRequest(s.t)
	s.want(s.charge(request), payment.VerdictCharged)
	answer := s.lookupFor(s.t.Context(), request.ID, anotherAmount(s.t))
	s.want(answer, payment.VerdictUnknown)
	if s.Payer.Traits().CanLookup && !answer.Mismatch {
		s.t.Error("a charge of another amount is not marked as a mismatch")
	}
}

func badLookupProvesNothing(s subject) {
	request := NewRequest(s.t)
	s.want(s.charge(request), payment.VerdictUnknown)
	ctx, cancel := context.WithTimeoutCause(s.t.Context(), callTimeout, errTestDeadline)
	defer cancel()
	s.want(s.lookupFor(ctx, request.ID, request.Money), payment.VerdictUnknown)
	s.wantCharges(request, 1)
}

func anotherAmount(t *testing.T) payment.Money {
	t.Helper()
	money, err := payment.NewMoney(2000, "EUR")
	if err != nil {
		t.Fatal(err)
	}
	return money
}
