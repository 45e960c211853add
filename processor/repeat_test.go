package processor

import (
	"context"
	"testing"
	"time"

	"github.com/paybuf/paybuf/payment"
)

// A payer that has neither keys nor a look-up is not called again in doubt; but what
// it refused, and what it was never sent, is in no doubt.
func TestRun_payerWithNothingIsSentAgainWhatWasCertainlyNotCharged(t *testing.T) {
	inWorld(t, Config{}, func(w *world) {
		w.payer.traits = payment.Traits{}
		w.source.add(deliveries(t, 10)...)
		w.payer.charge = func(_ context.Context, _ payment.Request, send int) payment.Answer {
			if send == 1 {
				return payment.Answer{Verdict: payment.VerdictNotCharged}
			}
			return payment.Answer{Verdict: payment.VerdictCharged}
		}
	}, func(w *world) {
		after(time.Minute)
		if sends, charges, doubles := w.payer.totals(); sends != 20 || charges != 10 || doubles != 0 {
			t.Errorf("%d sends, %d charges, %d doubles; want 20, 10, 0", sends, charges, doubles)
		}
		if got := w.ledger.count(payment.Succeeded); got != 10 {
			t.Errorf("%d succeeded, %d parked; want 10 and none", got, w.ledger.count(payment.Parked))
		}
	})
}

func TestRun_payerWithNothingIsSentWhatAnOperatorReleased(t *testing.T) {
	inWorld(t, Config{}, func(w *world) {
		w.payer.traits = payment.Traits{}
		w.source.add(delivery(t, "A-1", 100))
		w.payer.charge = func(_ context.Context, _ payment.Request, send int) payment.Answer {
			if send == 1 {
				return payment.Answer{} // lost on its way, as the operator finds out
			}
			return payment.Answer{Verdict: payment.VerdictCharged}
		}
	}, func(w *world) {
		after(time.Minute)
		parked := w.ledger.Payments()[0]
		if parked.State != payment.Parked {
			t.Fatalf("it is %s, want %s", parked.State, payment.Parked)
		}
		release := payment.Release{ID: parked.ID, Version: parked.Version, To: payment.Retrying, Operator: "op", Reason: "not charged"}
		if _, err := w.ledger.Release(t.Context(), release); err != nil {
			t.Fatal(err)
		}
		after(time.Minute)
		if sends, charges, _ := w.payer.totals(); sends != 2 || charges != 1 || w.ledger.count(payment.Succeeded) != 1 {
			t.Errorf("%d sends, %d charges, %d succeeded; want 2, 1, 1", sends, charges, w.ledger.count(payment.Succeeded))
		}
	})
}
