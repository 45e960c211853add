package postgres_test

import (
	"maps"
	"testing"

	"github.com/paybuf/paybuf/payment"
)

func TestTotals_countWhatThereIs(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	empty, err := l.Totals(t.Context())
	if err != nil || len(empty.Payments)+len(empty.Succeeded) != 0 || empty.ChargeAttempts+empty.Conflicts+empty.DeadLetters != 0 {
		t.Fatalf("of nothing: %+v, %v", empty, err)
	}
	l.put("paying", payment.Paying)
	l.put("parked", payment.Parked)
	again := l.put("again", payment.Retrying)
	l.makeDue(again.ID)
	l.take()
	for _, request := range []payment.Request{
		order(t, "A-1"), order(t, "A-2", costing(1)), order(t, "A-3", func(d *payment.Draft) { d.Currency = "JPY" }),
	} {
		l.settle(outcome(l.claim(request)[0], payment.Succeeded, payment.VerdictCharged))
	}
	if _, err := l.Claim(t.Context(), []payment.Request{order(t, "A-1", costing(5))}, nil, lease); err != nil {
		t.Fatal(err)
	}
	if err := l.Bury(t.Context(), []payment.DeadLetter{{Subject: "s"}}); err != nil {
		t.Fatal(err)
	}

	totals, err := l.Totals(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if want := map[payment.State]int64{payment.Paying: 2, payment.Parked: 1, payment.Succeeded: 3}; !maps.Equal(totals.Payments, want) {
		t.Errorf("payments %v, want %v", totals.Payments, want)
	}
	if want := map[string]int64{"EUR": 2000, "JPY": 1999}; !maps.Equal(totals.Succeeded, want) {
		t.Errorf("succeeded %v, want %v", totals.Succeeded, want)
	}
	if totals.ChargeAttempts != 7 || totals.Conflicts != 1 || totals.DeadLetters != 1 {
		t.Errorf("unexpected totals: %+v", totals)
	}
}
