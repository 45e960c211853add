package processor

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/paybuf/paybuf/payment"
)

// begun notes when each call of the payer began.
type begun struct {
	mu sync.Mutex
	at []time.Time
}

func (b *begun) note() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.at = append(b.at, time.Now())
}

// mostWithin gives the greatest number of calls that began within a period.
func (b *begun) mostWithin(period time.Duration) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	most, first := 0, 0
	for last, at := range b.at {
		for at.Sub(b.at[first]) > period {
			first++
		}
		most = max(most, last-first+1)
	}
	return most
}

func TestRun_rateHoldsAndTheBacklogWaitsInTheBuffer(t *testing.T) {
	const rate, orders = 20, 2000
	var calls begun
	inWorld(t, Config{PayerRate: rate}, func(w *world) {
		w.source.add(deliveries(t, orders)...)
		w.payer.charge = func(context.Context, payment.Request, int) payment.Answer {
			calls.note()
			return payment.Answer{Verdict: payment.VerdictCharged}
		}
	}, func(w *world) {
		after(10 * time.Second)
		if left := w.source.left(); left < orders-10*rate-2*rate {
			t.Errorf("%d of %d wait in the buffer after 10 s of %d a second", left, orders, rate)
		}
		after(5 * time.Minute)
		if most := calls.mostWithin(time.Second); most > rate+rate/rateBurstPart+1 {
			t.Errorf("%d calls within a second, %d are allowed", most, rate)
		}
		stats := w.Stats()
		if got := w.ledger.count(payment.Succeeded); got != orders || stats.LeasesShort != 0 || stats.Limit != 128 {
			t.Errorf("%d succeeded, %d leases too short, %d at once; want %d, 0, 128", got, stats.LeasesShort, stats.Limit, orders)
		}
	})
}

func TestRun_refusalsLowerTheLimitAndDoNotPauseThePayer(t *testing.T) {
	var mu sync.Mutex
	inFlight, refused := 0, 0
	inWorld(t, Config{}, func(w *world) {
		w.source.add(deliveries(t, 3000)...)
		w.payer.charge = func(ctx context.Context, _ payment.Request, _ int) payment.Answer {
			mu.Lock()
			defer mu.Unlock()
			if inFlight >= 16 {
				refused++
				return payment.Answer{Verdict: payment.VerdictNotCharged, Evidence: payment.Evidence{HTTPStatus: statusTooMany}}
			}
			inFlight++
			mu.Unlock()
			pause(ctx, 100*time.Millisecond)
			mu.Lock()
			inFlight--
			return payment.Answer{Verdict: payment.VerdictCharged}
		}
	}, func(w *world) {
		after(10 * time.Second)
		if stats := w.Stats(); stats.Limit > 24 || stats.BreakerState != "closed" {
			t.Errorf("%d at once, breaker %s; the payer bears 16", stats.Limit, stats.BreakerState)
		}
		after(10 * time.Minute)
		if got := w.ledger.count(payment.Succeeded); got != 3000 || refused > 1000 {
			t.Errorf("%d succeeded and %d calls were refused", got, refused)
		}
	})
}

// A payer that refuses everything is down, however alive it is.
func TestRun_aPayerThatRefusesEverythingIsPaused(t *testing.T) {
	inWorld(t, Config{}, func(w *world) {
		w.source.add(deliveries(t, 3000)...)
		w.payer.charge = func(context.Context, payment.Request, int) payment.Answer {
			return payment.Answer{Verdict: payment.VerdictNotCharged, RetryAfter: time.Minute}
		}
	}, func(w *world) {
		after(time.Minute)
		stats := w.Stats()
		if stats.PausedFor < 30*time.Second || stats.BreakerState == "closed" {
			t.Errorf("breaker %s, paused for %s", stats.BreakerState, stats.PausedFor)
		}
		if left := w.source.left(); left < 2000 {
			t.Errorf("only %d of 3000 wait in the buffer", left)
		}
	})
}

func TestRun_callsResumeWithTheFirstThatSucceeds(t *testing.T) {
	down := true
	var mu sync.Mutex
	inWorld(t, Config{Concurrency: 16}, func(w *world) {
		w.source.add(deliveries(t, 400)...)
		w.payer.charge = func(context.Context, payment.Request, int) payment.Answer {
			mu.Lock()
			defer mu.Unlock()
			if down {
				return payment.Answer{Verdict: payment.VerdictNotCharged}
			}
			return payment.Answer{Verdict: payment.VerdictCharged}
		}
	}, func(w *world) {
		after(time.Minute)
		if w.Stats().PausedFor == 0 {
			t.Fatal("the breaker is closed")
		}
		mu.Lock()
		down = false
		mu.Unlock()
		after(w.cfg.BreakerDelay + w.breaker.probeEvery + time.Second)
		if stats := w.Stats(); stats.PausedFor != 0 || stats.BreakerState != "closed" || w.source.left() > 0 {
			t.Errorf("breaker %s, paused for %s, %d wait", stats.BreakerState, stats.PausedFor, w.source.left())
		}
	})
}

func TestGate_whoGivesUpTakesNothingAlong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate(Config{ConcurrencyMin: 1, Concurrency: 1})
		until := time.Now().Add(time.Minute)
		held, entered := g.enter(t.Context(), until)
		if !entered {
			t.Fatal("the first was not let in")
		}
		if _, entered := g.enter(t.Context(), time.Now().Add(time.Second)); entered {
			t.Fatal("two were let in")
		}
		if waited := time.Until(until); waited != 59*time.Second {
			t.Errorf("gave up %s before the minute was over, want 59 s", waited)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, entered := g.enter(ctx, until); entered {
			t.Error("let in although its context had ended")
		}
		g.leave(held, nil)
		if _, entered := g.enter(t.Context(), until); !entered {
			t.Error("the place was lost")
		}
	})
}

func TestRefuses_onlyWhatSaysSo(t *testing.T) {
	for _, test := range []struct {
		answer payment.Answer
		want   bool
	}{
		{payment.Answer{Verdict: payment.VerdictNotCharged}, false},
		{payment.Answer{Verdict: payment.VerdictNotCharged, Evidence: payment.Evidence{HTTPStatus: 429}}, true},
		{payment.Answer{Verdict: payment.VerdictUnknown, Evidence: payment.Evidence{HTTPStatus: 503}}, true},
		{payment.Answer{Verdict: payment.VerdictUnknown, RetryAfter: time.Second}, true},
		{payment.Answer{Verdict: payment.VerdictUnknown, Evidence: payment.Evidence{HTTPStatus: 500}}, false},
		{payment.Answer{Verdict: payment.VerdictPending, RetryAfter: time.Second}, false},
		{payment.Answer{Verdict: payment.VerdictCharged}, false},
	} {
		if got := refuses(test.answer); got != test.want {
			t.Errorf("%+v: %v, want %v", test.answer, got, test.want)
		}
	}
}

func TestConfig_limitsThatCannotWorkAreRefused(t *testing.T) {
	for name, cfg := range map[string]Config{
		"least above most":              {Concurrency: 4, ConcurrencyMin: 5},
		"less than one":                 {ConcurrencyMin: -1},
		"negative rate":                 {PayerRate: -1},
		"a rate slower than the leases": {PayerRate: 0.05},
	} {
		if cfg.Check() == nil {
			t.Errorf("%s was accepted", name)
		}
	}
}
