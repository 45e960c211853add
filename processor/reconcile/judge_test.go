package reconcile

import (
	"slices"
	"testing"
	"time"

	"github.com/paybuf/paybuf/payment"
)

// charge is one of ours that stands alone, in the right amount.
func charge(t *testing.T, state payment.State) payment.StatedCharge {
	t.Helper()
	money, err := payment.NewMoney(1999, "EUR")
	if err != nil {
		t.Fatal(err)
	}
	return payment.StatedCharge{
		StatementLine: payment.StatementLine{
			ChargeID: "ch_1", Reference: "pay_1", Status: payment.ChargeSucceeded, AmountMinor: 1999, Currency: "EUR",
			ChargedAt: time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC), Number: 2,
		},
		Statement: "s", Revision: 1, Ours: true, State: state, Version: 3, Money: money, Standing: 1,
	}
}

func wantJudgement(t *testing.T, of payment.StatedCharge, to payment.State, kinds ...payment.DiscrepancyKind) {
	t.Helper()
	got := judge(of)
	var found []payment.DiscrepancyKind
	for _, finding := range got.Findings {
		found = append(found, finding.Kind)
		if finding.Detail == "" {
			t.Errorf("%s: nothing is said about %s", of.State, finding.Kind)
		}
	}
	if got.To != to || !slices.Equal(found, kinds) {
		t.Errorf("%s: to %q with %v, want %q with %v", of.State, got.To, found, to, kinds)
	}
}

func TestJudge_settlesOnlyWhatNobodyKnowsAndAlarmsAboutTheRest(t *testing.T) {
	for state, want := range map[payment.State]struct {
		to    payment.State
		kinds []payment.DiscrepancyKind
	}{
		payment.Queued:    {"", []payment.DiscrepancyKind{payment.DiscrepancyNotSucceeded}},
		payment.Scheduled: {"", []payment.DiscrepancyKind{payment.DiscrepancyNotSucceeded}},
		payment.Paying:    {},
		payment.Retrying:  {payment.Parked, []payment.DiscrepancyKind{payment.DiscrepancyNotSucceeded}},
		payment.Unknown:   {to: payment.Succeeded},
		payment.Pending:   {to: payment.Succeeded},
		payment.Parked:    {to: payment.Succeeded},
		payment.Succeeded: {},
		payment.Failed:    {"", []payment.DiscrepancyKind{payment.DiscrepancyNotSucceeded}},
		payment.Canceled:  {"", []payment.DiscrepancyKind{payment.DiscrepancyNotSucceeded}},
	} {
		wantJudgement(t, charge(t, state), want.to, want.kinds...)
	}
}

func TestJudge_movesNoPaymentAgainstTheTableOfStates(t *testing.T) {
	for _, state := range payment.States() {
		for _, standing := range []int{1, 2} {
			of := charge(t, state)
			of.Standing = standing
			if to := judge(of).To; to != "" && (!state.MayBecome(to) || to == payment.Failed) {
				t.Errorf("%s becomes %s", state, to)
			}
		}
	}
}

func TestJudge_twoChargesOrAnotherAmountSettleNothing(t *testing.T) {
	for _, state := range []payment.State{payment.Unknown, payment.Pending, payment.Parked} {
		first := charge(t, state)
		first.Standing = 2
		wantJudgement(t, first, "")
		second := first
		second.Earlier = 1
		wantJudgement(t, second, "", payment.DiscrepancyDoubled)

		other := charge(t, state)
		other.AmountMinor++
		wantJudgement(t, other, "", payment.DiscrepancyWrongAmount)
		other = charge(t, state)
		other.Currency = "USD"
		wantJudgement(t, other, "", payment.DiscrepancyWrongAmount)
	}
}

func TestJudge_whatWasTakenBackIsNoCharge(t *testing.T) {
	for _, status := range []payment.ChargeStatus{payment.ChargeRefunded, payment.ChargeVoided} {
		for _, state := range payment.States() {
			of := charge(t, state)
			of.Status = status
			wantJudgement(t, of, "")
		}
	}
}

func TestJudge_aForeignChargeIsToldOfAndNothingElse(t *testing.T) {
	of := charge(t, "")
	of.Ours = false
	wantJudgement(t, of, "", payment.DiscrepancyForeign)
}

// A person has to say whom to believe: reading the statement again does not.
func TestJudge_whatTheStatementItselfParkedIsNotSettledByIt(t *testing.T) {
	of := charge(t, payment.Parked)
	of.Failure = payment.FailureStatementDisagrees
	wantJudgement(t, of, "", payment.DiscrepancyNotSucceeded)
}

func TestJudge_aChargeUnderWayIsJudgedLaterAndItsDoubleAtOnce(t *testing.T) {
	of := charge(t, payment.Paying)
	if !judge(of).Open {
		t.Error("the line of a payment that a worker holds counts as judged")
	}
	of.Standing, of.Earlier = 2, 1
	wantJudgement(t, of, "", payment.DiscrepancyDoubled)
}

// A tombstone never had an amount to differ from.
func TestJudge_aChargeOfABareTombstoneIsNoWrongAmount(t *testing.T) {
	of := charge(t, payment.Canceled)
	of.Money = payment.Money{}
	wantJudgement(t, of, "", payment.DiscrepancyNotSucceeded)
}
