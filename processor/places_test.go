package processor

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/paybuf/paybuf/payment"
)

func slow(takes time.Duration) func(context.Context, payment.Request, int) payment.Answer {
	return func(ctx context.Context, _ payment.Request, _ int) payment.Answer {
		pause(ctx, takes)
		return payment.Answer{Verdict: payment.VerdictCharged}
	}
}

// Whatever is taken on must be called before its lease ends, also by a payer that
// takes nearly all the time it may.
func TestRun_slowPayerIsNotGivenMoreThanTheLeasesHold(t *testing.T) {
	for name, cfg := range map[string]Config{
		"as by default":   {Concurrency: 8},
		"a short lease":   {Concurrency: 8, Lease: 13 * time.Second},
		"one at a time":   {Concurrency: 1},
		"and a long rest": {Concurrency: 8, Lease: time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, cfg, func(w *world) {
				w.source.add(deliveries(t, 100)...)
				w.payer.charge = slow(9 * time.Second)
			}, func(w *world) {
				after(20 * time.Minute)
				if stats := w.Stats(); stats.LeasesShort != 0 {
					t.Errorf("%d payments were given back since their lease was about to end", stats.LeasesShort)
				}
				if sends, charges, doubles := w.payer.totals(); sends != 100 || charges != 100 || doubles != 0 {
					t.Errorf("%d sends, %d charges, %d doubles; want 100, 100, 0", sends, charges, doubles)
				}
			})
		})
	}
}

func TestRun_fastPayerHasAllItsPlaces(t *testing.T) {
	inWorld(t, Config{Concurrency: 16}, func(w *world) {
		w.source.add(deliveries(t, 2000)...)
		w.payer.charge = slow(50 * time.Millisecond)
	}, func(w *world) {
		after(time.Minute)
		if stats := w.Stats(); stats.Limit != 16 || stats.Places != 3*16 {
			t.Errorf("%d calls at once and %d places, want 16 and %d", stats.Limit, stats.Places, 3*16)
		}
		if got := w.ledger.count(payment.Succeeded); got != 2000 {
			t.Errorf("%d succeeded, want 2000", got)
		}
	})
}

func TestRun_placesFollowAPayerThatBecomesSlow(t *testing.T) {
	var lazy atomic.Bool
	inWorld(t, Config{Concurrency: 16}, func(w *world) {
		w.source.add(deliveries(t, 3000)...)
		w.payer.charge = func(ctx context.Context, _ payment.Request, _ int) payment.Answer {
			if lazy.Load() {
				return slow(8*time.Second)(ctx, payment.Request{}, 0)
			}
			return slow(50*time.Millisecond)(ctx, payment.Request{}, 0)
		}
	}, func(w *world) {
		after(2 * time.Second)
		lazy.Store(true)
		after(2 * time.Minute)
		stats := w.Stats()
		if want := 3 * stats.Limit; stats.Places > want || stats.LatencyP99 < 8*time.Second {
			t.Errorf("%d places at %d calls of up to %s, want at most %d", stats.Places, stats.Limit, stats.LatencyP99, want)
		}
		if stats.LeasesShort != 0 {
			t.Errorf("%d leases were about to end", stats.LeasesShort)
		}
	})
}

func TestRoom_isForWhatTheLeaseLetsCall(t *testing.T) {
	for _, test := range []struct {
		name       string
		cfg        Config
		slowest    time.Duration // 0 if unknown
		fresh, due int
	}{
		{"nothing is known: a call may take all its time", Config{}, 0, 171, 85},
		{"fast", Config{}, 5 * time.Millisecond, 256, 128},
		{"two rounds fit behind the first", Config{}, 9 * time.Second, 256, 128},
		{"one does", Config{}, 10 * time.Second, 171, 85},
		{"none does", Config{Lease: 13 * time.Second}, 9 * time.Second, 86, 42},
		{"one call at a time", Config{Concurrency: 1, Lease: 13 * time.Second}, 9 * time.Second, 1, 1},
		{"a rate", Config{PayerRate: 30}, 5 * time.Millisecond, 20, 10},
		{"a low rate", Config{PayerRate: 0.5}, 5 * time.Millisecond, 1, 1},
	} {
		p, err := New(nil, nil, newScriptedPayer(), test.cfg)
		if err != nil {
			t.Fatal(err)
		}
		for range latencyCallsMin {
			if test.slowest > 0 {
				p.gate.latency.add(time.Now(), test.slowest)
			}
		}
		if fresh, due := p.roomFresh(), p.roomDue(); fresh != test.fresh || due != test.due {
			t.Errorf("%s: room for %d fresh and %d due, want %d and %d", test.name, fresh, due, test.fresh, test.due)
		}
	}
}

func TestPlaces_aFreedPlaceIsFoundByWhoeverWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlaces(func() int { return 2 })
		if got := p.take(t.Context(), 5); got != 2 {
			t.Fatalf("took %d of 2", got)
		}
		var took atomic.Int64
		for range 2 {
			go func() { took.Add(int64(p.take(t.Context(), 1))) }()
		}
		synctest.Wait()
		if took.Load() != 0 {
			t.Error("took places that there are not")
		}
		p.release(2)
		synctest.Wait()
		if took.Load() != 2 {
			t.Errorf("%d of two who waited have a place", took.Load())
		}
	})
}

func TestPlaces_waitingEndsWithItsContext(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	p := newPlaces(func() int { return 0 })
	stop()
	if got := p.take(ctx, 1); got != 0 {
		t.Errorf("took %d of none", got)
	}
}

// With few calls at once payments are claimed some at a time all the same.
func TestRoom_holdsAMomentsWorkHoweverLowTheLimit(t *testing.T) {
	p, err := New(nil, nil, newScriptedPayer(), Config{})
	if err != nil {
		t.Fatal(err)
	}
	p.gate.tuner.limit = 5
	for range latencyCallsMin {
		p.gate.latency.add(time.Now(), 20*time.Millisecond)
	}
	if got, want := p.room(), 5*(1+12); got != want {
		t.Errorf("room for %d, want %d: as many as are called in %s", got, want, roundsHeld)
	}
}
