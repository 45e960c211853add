package payertest

import (
	"testing"

	"github.com/paybuf/paybuf/payment"
)

// promise is one case. It runs on a subject that misbehaves as told.
type promise struct {
	name   string
	faults Faults
	holds  func(s subject)
}

// Run holds a payer to what it declares in its Traits.
func Run(t *testing.T, open Open) {
	for _, p := range promises() {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			p.holds(subject{Subject: open(t, p.faults), t: t})
		})
	}
}

func promises() []promise {
	all := append(voidPromises(), []promise{
		{"chargesOnceAndSaysSo", Faults{}, chargesOnce},
		{"sameKeyAgain", Faults{}, sameKeyAgain},
		{"sameKeyAtOnce", Faults{}, sameKeyAtOnce},
		{"sameKeyForAnotherAmount", Faults{}, sameKeyForAnotherAmount},
		{"declinedIsFinal", Faults{Outcome: Decline}, declinedIsFinal},
		{"pendingIsApproved", Faults{Outcome: ApproveLater}, pendingThen(payment.VerdictCharged, 1)},
		{"pendingIsDeclined", Faults{Outcome: DeclineLater}, pendingThen(payment.VerdictDeclined, 0)},
		{"unavailable", Faults{First: Unavailable}, notChargedThenCharged},
		{"rateLimited", Faults{First: RateLimited}, notChargedThenCharged},
		{"errorBeforeCharging", Faults{First: ErrorBefore}, unknownThenNotFound},
		{"resetBeforeCharging", Faults{First: ResetBefore}, unknownThenNotFound},
		{"errorAfterCharging", Faults{First: ErrorAfter}, unknownThenCharged},
		{"resetAfterCharging", Faults{First: ResetAfter}, unknownThenCharged},
		{"garbageAfterCharging", Faults{First: Garbage}, unknownThenCharged},
		{"lookupSeesLate", Faults{First: ResetAfter, Late: true}, lookupSeesLate},
		{"hangsWithoutCharging", Faults{First: Hang}, hangs(0)},
		{"hangsAfterCharging", Faults{First: HangAfter}, hangs(1)},
		{"wrongAmountInTheAnswer", Faults{First: WrongAmount}, wrongAmount},
		{"givenUpBeforeTheCall", Faults{}, givenUpBefore},
		{"givenUpDuringTheCall", Faults{First: HangAfter}, givenUpDuring},
		{"errorThatIsRepeatedAfterCharging", Faults{First: ErrorKept}, errorIsRepeated(payment.VerdictCharged, 1)},
		{"errorThatIsRepeatedWithoutCharging", Faults{First: ErrorUsed}, errorIsRepeated(payment.VerdictNotFound, 0)},
		{"keyInProgress", Faults{First: InProgress}, unknownThenCharged},
		{"declaresWhatCanBe", Faults{}, declaresWhatCanBe},
		{"lookupOfNothing", Faults{}, lookupOfNothing},
		{"lookupForAnotherAmount", Faults{}, lookupForAnotherAmount},
	}...)
	for name, fault := range map[string]LookupFault{
		"lookupUnavailable": LookupUnavailable, "lookupError": LookupError, "lookupHangs": LookupHang,
	} {
		all = append(all, promise{name, Faults{First: ResetAfter, Lookup: fault}, badLookupProvesNothing})
	}
	return all
}
