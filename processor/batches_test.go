package processor

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/paybuf/paybuf/payment"
)

// list is the delivery of a batch's list.
func list(n int) payment.Delivery {
	id := payment.BatchID(fmt.Sprintf("bat_%d", n))
	return payment.Delivery{Batch: &payment.Batch{ID: id, Tenant: "acme"}, Subject: "lists", Raw: []byte(id)}
}

func TestRun_listsOfBatchesAreKeptBesideTheirPayments(t *testing.T) {
	inWorld(t, Config{}, func(w *world) {
		for i, d := range deliveries(t, 40) {
			w.source.add(d)
			if i%4 == 0 {
				w.source.add(list(i), list(i)) // and redelivered
			}
		}
	}, func(w *world) {
		after(time.Minute)
		if got := w.ledger.count(payment.Succeeded); got != 40 {
			t.Errorf("%d succeeded, want 40", got)
		}
		if len(w.ledger.batches) != 10 || w.Stats().Batches != 20 || w.Stats().Claimed != 40 {
			t.Errorf("%d batches, %+v", len(w.ledger.batches), w.Stats())
		}
		if got := w.source.ackedCount(); got != 60 {
			t.Errorf("%d acknowledged, want all 60", got)
		}
	})
}

func TestRun_listsThatNobodyCanKeepHarmNobody(t *testing.T) {
	inWorld(t, Config{}, func(w *world) {
		w.ledger.noBatch = "bat_7"
		for i := range 20 {
			w.source.add(list(i))
		}
		garbage := list(99)
		garbage.Poison = errors.New("not a list")
		w.source.add(garbage)
	}, func(w *world) {
		after(time.Minute)
		if len(w.ledger.batches) != 19 {
			t.Errorf("%d batches, want 19", len(w.ledger.batches))
		}
		buried := map[payment.BatchID]bool{}
		for _, letter := range w.ledger.letters {
			buried[letter.BatchID] = letter.PaymentID == "" && string(letter.Raw) == string(letter.BatchID)
		}
		if len(buried) != 2 || !buried["bat_7"] || !buried["bat_99"] {
			t.Errorf("dead letters %+v", w.ledger.letters)
		}
		if got := w.source.ackedCount(); got != 21 {
			t.Errorf("%d acknowledged, want all 21", got)
		}
	})
}

func TestRun_listsWaitForALedgerThatIsDown(t *testing.T) {
	inWorld(t, Config{}, func(w *world) {
		w.ledger.fail = errors.New("connection refused")
		w.source.add(list(1))
	}, func(w *world) {
		after(time.Hour)
		if got := w.source.ackedCount(); got != 0 {
			t.Errorf("%d acknowledged before they were kept", got)
		}
		w.ledger.setFail(nil)
		after(time.Minute)
		if got := w.source.ackedCount(); got != 1 || len(w.ledger.batches) != 1 {
			t.Errorf("%d acknowledged, %d kept", got, len(w.ledger.batches))
		}
	})
}
