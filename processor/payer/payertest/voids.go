package payertest

import (
	"context"
	"testing"

	"github.com/paybuf/paybuf/payment"
)

// voidPromises hold a payer that can void to its word about the money, and one
// that cannot to not saying that it did.
func voidPromises() []promise {
	return []promise{
		{"voidOfNothing", Faults{}, voidOfNothing},
		{"voidOfACharge", Faults{}, voidOfACharge},
		{"voidAfterALostAnswer", Faults{First: ResetAfter}, voidAfterALostAnswer},
		{"voidAfterAnErrorThatIsRepeated", Faults{First: ErrorKept}, voidAfterALostAnswer},
		{"voidOfAPendingCharge", Faults{Outcome: ApproveLater}, voidOfPending},
		{"voidTooLate", Faults{Void: VoidSettled}, voidTooLate},
		{"voidTooLateForAnotherAmount", Faults{Void: VoidSettled}, voidTooLateForAnotherAmount},
		{"voidWhoseAnswerIsLost", Faults{Void: VoidLost}, voidLost},
		{"voidGivenUp", Faults{}, voidGivenUp},
	}
}

// void asks the payer to take back, and tells whether it declares that it can.
func (s subject) void(ctx context.Context, request payment.Request, money payment.Money) (payment.Answer, bool) {
	s.t.Helper()
	voider, isVoider := s.Payer.(Voider)
	if !isVoider {
		return payment.Answer{}, false
	}
	answer := voider.Void(ctx, request.ID, money)
	if answer.Verdict == payment.VerdictNotFound || answer.Verdict == payment.VerdictPending {
		s.t.Errorf("a void was answered %s, which says nothing about the money", answer.Verdict)
	}
	s.check(answer)
	if can := s.Payer.Traits().CanVoid; can {
		return answer, true
	}
	s.want(answer, payment.VerdictUnknown)
	return answer, false
}

// wantVoided voids, and fails unless the payer and the oracle agree that nothing
// stays charged and voids charges were taken back.
func (s subject) wantVoided(request payment.Request, voids int) bool {
	s.t.Helper()
	answer, can := s.void(s.t.Context(), request, request.Money)
	if !can {
		return false
	}
	s.want(answer, payment.VerdictNotCharged)
	s.wantCharges(request, 0)
	s.wantVoids(request, voids)
	return true
}

func (s subject) wantVoids(request payment.Request, n int) {
	s.t.Helper()
	voids := s.Voids(s.t, request.ID)
	if len(voids) != n {
		s.t.Fatalf("%d charges were taken back, want %d", len(voids), n)
	}
	for _, money := range voids {
		if money != request.Money {
			s.t.Fatalf("%s was taken back, want %s", money, request.Money)
		}
	}
}

func voidOfNothing(s subject) {
	request := NewRequest(s.t)
	s.wantVoided(request, 0)
}

func voidOfACharge(s subject) {
	request := NewRequest(s.t)
	s.want(s.charge(request), payment.VerdictCharged)
	if !s.wantVoided(request, 1) {
		s.wantCharges(request, 1)
		return
	}
	s.wantVoided(request, 1) // again is as good as once
	s.neverSaysCharged(request)
}

func voidAfterALostAnswer(s subject) {
	request := NewRequest(s.t)
	answer := s.charge(request)
	if s.Payer.Traits().KeyWindow > 0 || answer.Verdict == payment.VerdictUnknown {
		s.want(answer, payment.VerdictUnknown)
	}
	if s.wantVoided(request, len(s.Charges(s.t, request.ID))) {
		s.neverSaysCharged(request)
	}
}

// neverSaysCharged: what was taken back is not found as a charge.
func (s subject) neverSaysCharged(request payment.Request) {
	s.t.Helper()
	if answer := s.lookup(request); answer.Verdict == payment.VerdictCharged || answer.Verdict == payment.VerdictPending {
		s.t.Errorf("what was taken back is found as %s", answer.Verdict)
	}
}

func voidOfPending(s subject) {
	request := NewRequest(s.t)
	if !s.Payer.Traits().CanPend || !s.Payer.Traits().CanVoid {
		return
	}
	s.want(s.charge(request), payment.VerdictPending)
	// It may be decided at this very moment; then the void takes a charge back.
	answer, _ := s.void(s.t.Context(), request, request.Money)
	for answer.Verdict == payment.VerdictUnknown {
		answer, _ = s.void(s.t.Context(), request, request.Money)
	}
	s.want(answer, payment.VerdictNotCharged)
	s.wantCharges(request, 0)
	s.neverSaysCharged(request)
}

func voidTooLate(s subject) {
	request := NewRequest(s.t)
	charged := s.charge(request)
	s.want(charged, payment.VerdictCharged)
	answer, can := s.void(s.t.Context(), request, request.Money)
	s.wantCharges(request, 1)
	if !can {
		return
	}
	s.want(answer, payment.VerdictCharged)
	if answer.PayerReference != charged.PayerReference {
		s.t.Errorf("one charge has two references, %q and %q", charged.PayerReference, answer.PayerReference)
	}
}

func voidTooLateForAnotherAmount(s subject) {
	request := NewRequest(s.t)
	s.want(s.charge(request), payment.VerdictCharged)
	answer, can := s.void(s.t.Context(), request, anotherAmount(s.t))
	if !can {
		return
	}
	s.want(answer, payment.VerdictUnknown)
	if !answer.Mismatch {
		s.t.Error("a charge of another amount is not marked as a mismatch")
	}
}

func voidLost(s subject) {
	request := NewRequest(s.t)
	s.want(s.charge(request), payment.VerdictCharged)
	answer, can := s.void(s.t.Context(), request, request.Money)
	if !can {
		return
	}
	s.want(answer, payment.VerdictUnknown)
	s.wantCharges(request, 0)
	s.wantVoids(request, 1)
}

func voidGivenUp(s subject) {
	request := NewRequest(s.t)
	s.want(s.charge(request), payment.VerdictCharged)
	ctx, cancel := context.WithCancel(s.t.Context())
	cancel()
	answer, can := s.void(ctx, request, request.Money)
	if can {
		s.want(answer, payment.VerdictUnknown)
	}
	s.wantCharges(request, 1)
}

// hostileVoid: what proves nothing proves nothing to a void either.
func (s subject) hostileVoid(ctx context.Context, t *testing.T, request payment.Request) {
	t.Helper()
	if answer, can := s.void(ctx, request, request.Money); can {
		s.want(answer, payment.VerdictUnknown)
	}
}
