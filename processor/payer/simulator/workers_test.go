package simulator

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/paybuf/paybuf/payment"
	"github.com/paybuf/paybuf/processor/payer/payertest"
)

// chargeAtOnce charges n payments side by side, and gives the verdicts and when the
// last answer came.
func chargeAtOnce(t *testing.T, e *Engine, n int) (map[payment.Verdict]int, time.Duration) {
	t.Helper()
	began := time.Now()
	verdicts := map[payment.Verdict]int{}
	var mu sync.Mutex
	var wg sync.WaitGroup
	for range n {
		request := payertest.NewRequest(t)
		wg.Go(func() {
			answer := e.Charge(t.Context(), request)
			mu.Lock()
			defer mu.Unlock()
			verdicts[answer.Verdict]++
		})
	}
	wg.Wait()
	return verdicts, time.Since(began)
}

func TestEngine_callsBeyondItsCapacityWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := open(t, Options{Capacity: 4, Latency: time.Second})
		verdicts, took := chargeAtOnce(t, e, 12)
		if verdicts[payment.VerdictCharged] != 12 || took < 3*time.Second {
			t.Errorf("%v within %s, want 12 charges in three rounds of a second", verdicts, took)
		}
	})
}

func TestEngine_callsBeyondItsCapacityAreRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := open(t, Options{Capacity: 4, RefuseOver: true, Latency: time.Second})
		verdicts, _ := chargeAtOnce(t, e, 12)
		if verdicts[payment.VerdictCharged] != 4 || verdicts[payment.VerdictNotCharged] != 8 {
			t.Errorf("%v, want 4 charges and 8 refusals", verdicts)
		}
		wantCounts(t, e, 4, 4, 0)
	})
}

func TestEngine_closingEndsTheWaitForCapacity(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := open(t, Options{Capacity: 1, Latency: time.Hour})
		var wg sync.WaitGroup
		for range 2 {
			request := payertest.NewRequest(t)
			wg.Go(func() { wantVerdict(t, e.Charge(t.Context(), request), payment.VerdictUnknown) })
		}
		synctest.Wait()
		if err := e.Close(); err != nil {
			t.Error(err)
		}
		wg.Wait()
	})
}
