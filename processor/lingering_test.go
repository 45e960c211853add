package processor

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/paybuf/paybuf/payment"
)

// slowLedger commits at once and answers later, as a database may: whoever does not
// wait for the answer has none.
type slowLedger struct {
	*memoryLedger
	takes time.Duration
}

func (l slowLedger) Claim(
	ctx context.Context, requests, conflicts []payment.Request, lease time.Duration,
) (payment.Claimed, error) {
	claimed, err := l.memoryLedger.Claim(ctx, requests, conflicts, lease)
	if !pause(ctx, l.takes) {
		return payment.Claimed{}, context.Cause(ctx)
	}
	return claimed, err
}

func (l slowLedger) Lease(ctx context.Context, limit int, lease time.Duration) ([]payment.Work, error) {
	works, err := l.memoryLedger.Lease(ctx, limit, lease)
	if !pause(ctx, l.takes) {
		return nil, context.Cause(ctx)
	}
	return works, err
}

// stopAfter runs a processor for a time and tells how long it then took to stop.
func stopAfter(t *testing.T, w *world, ledger Ledger, runs time.Duration) (took time.Duration) {
	t.Helper()
	p, err := New([]Source{w.source}, ledger, w.payer, Config{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { p.Run(ctx); close(ended) }()
	after(runs)
	began := time.Now()
	stop()
	<-ended
	return time.Since(began)
}

func inSlowBubble(t *testing.T, test func(*testing.T, *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := &world{source: &queueSource{}, ledger: newMemoryLedger(), payer: newScriptedPayer()}
		w.payer.traits = payment.Traits{} // whatever is in doubt is parked here
		test(t, w)
	})
}

func TestStop_waitsForTheClaimThatIsUnderWay(t *testing.T) {
	inSlowBubble(t, func(t *testing.T, w *world) {
		w.source.add(deliveries(t, 10)...)
		stopAfter(t, w, slowLedger{w.ledger, time.Second}, time.Second/2)
		if paid, acked := w.ledger.count(payment.Succeeded), w.source.ackedCount(); paid != 10 || acked != 10 {
			t.Errorf("%d succeeded, %d acknowledged, want 10; histories %v", paid, acked, w.ledger.histories)
		}
	})
}

func TestStop_waitsForTheTakeOverThatIsUnderWay(t *testing.T) {
	inSlowBubble(t, func(t *testing.T, w *world) {
		w.source.add(deliveries(t, 10)...)
		w.payer.charge = func(context.Context, payment.Request, int) payment.Answer {
			return payment.Answer{Verdict: payment.VerdictNotCharged}
		}
		stopAfter(t, w, w.ledger, time.Millisecond)
		if got := w.ledger.count(payment.Retrying); got != 10 {
			t.Fatalf("%d are to be tried again, want 10; histories %v", got, w.ledger.histories)
		}
		after(time.Minute)
		w.payer.charge = nil
		stopAfter(t, w, slowLedger{w.ledger, time.Second}, time.Second/2)
		if got := w.ledger.count(payment.Succeeded); got != 10 {
			t.Errorf("%d succeeded, want 10; histories %v", got, w.ledger.histories)
		}
	})
}

func TestStop_doesNotWaitForALedgerThatHangs(t *testing.T) {
	inSlowBubble(t, func(t *testing.T, w *world) {
		w.source.add(deliveries(t, 10)...)
		if took := stopAfter(t, w, slowLedger{w.ledger, time.Hour}, time.Second); took != takingMax {
			t.Errorf("it took %s, want %s", took, takingMax)
		}
		if acked := w.source.ackedCount(); acked != 0 {
			t.Errorf("%d acknowledged without an answer of the ledger", acked)
		}
	})
}
