package processor

import (
	"context"
	"math"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// reply is what a payer on the fake clock does with a call.
type reply struct {
	takes   time.Duration
	refused bool
}

// load runs calls through a gate, as many at once as it lets, and gives the
// limits that it had at equal distances, and the answers per second.
type load struct {
	workers int
	lasts   time.Duration
	behaves func(at time.Duration, inFlight int) reply
}

func (l load) run(t *testing.T) (limits []int, goodput float64) {
	t.Helper()
	const looks = 12
	synctest.Test(t, func(t *testing.T) {
		g := newGate(Config{ConcurrencyMin: 4, Concurrency: 128})
		began := time.Now()
		end := began.Add(l.lasts)
		var inFlight, good atomic.Int64
		var wg sync.WaitGroup
		for range l.workers {
			wg.Go(func() {
				for time.Now().Before(end) {
					pass, entered := g.enter(t.Context(), end.Add(time.Hour))
					if !entered {
						t.Error("not let in")
						return
					}
					does := l.behaves(time.Since(began), int(inFlight.Add(1)))
					pause(context.Background(), does.takes)
					inFlight.Add(-1)
					if !does.refused {
						good.Add(1)
					}
					g.leave(pass, &call{took: does.takes, refused: does.refused})
				}
			})
		}
		for range looks {
			after(l.lasts / looks)
			limits = append(limits, g.limit())
		}
		wg.Wait()
		goodput = float64(good.Load()) / l.lasts.Seconds()
	})
	return limits, goodput
}

const ms = time.Millisecond

func around(d time.Duration) time.Duration {
	return time.Duration(float64(d) * (0.9 + 0.2*rand.Float64()))
}

func TestGate_constantLatencyKeepsTheMost(t *testing.T) {
	for _, test := range []struct {
		name    string
		lasts   time.Duration
		latency func() time.Duration
		want    float64 // answers a second, with all calls at once all the time
	}{
		{"1 ms", 500 * ms, func() time.Duration { return ms }, 128_000},
		{"5 ms, give or take", 3 * time.Second, func() time.Duration { return around(5 * ms) }, 25_600},
		{"50 ms", 30 * time.Second, func() time.Duration { return 50 * ms }, 2_560},
		{"9 s", 30 * time.Minute, func() time.Duration { return 9 * time.Second }, 14.2},
		{"all kinds", 3 * time.Second, func() time.Duration { return time.Duration(rand.ExpFloat64() * 5e6) }, 25_600},
	} {
		t.Run(test.name, func(t *testing.T) {
			limits, goodput := load{workers: 160, lasts: test.lasts, behaves: func(time.Duration, int) reply {
				return reply{takes: test.latency()}
			}}.run(t)
			t.Logf("limits %v, %.0f/s", limits, goodput)
			if last := limits[len(limits)-1]; last != 128 {
				t.Errorf("ends with %d at once, want 128", last)
			}
			if goodput < 0.9*test.want {
				t.Errorf("%.0f answers a second, want nearly %.0f", goodput, test.want)
			}
		})
	}
}

// A payer that syncs for many calls at once slows down and does more all the same.
func TestGate_slowerCallsThatDoMoreAreLeftAlone(t *testing.T) {
	limits, goodput := load{workers: 160, lasts: 20 * time.Second, behaves: func(_ time.Duration, n int) reply {
		return reply{takes: around(time.Duration(5e6 * math.Sqrt(max(1, float64(n)/8))))}
	}}.run(t)
	t.Logf("limits %v, %.0f/s", limits, goodput)
	if goodput < 0.9*6_400 {
		t.Errorf("%.0f answers a second, want nearly 6,400", goodput)
	}
}

func TestGate_overloadLowersTheLimitAndItRecovers(t *testing.T) {
	const bears, overloaded = 16, 30 * time.Second
	for _, test := range []struct {
		name string
		does func(n int) reply
	}{
		{"it slows down", func(n int) reply { return reply{takes: time.Duration(50e6 * max(1, float64(n)/bears))} }},
		{"it refuses", func(n int) reply {
			if n > bears {
				return reply{takes: ms, refused: true}
			}
			return reply{takes: 50 * ms}
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			limits, goodput := load{workers: 160, lasts: 4 * overloaded, behaves: func(at time.Duration, n int) reply {
				if at < overloaded {
					return test.does(n)
				}
				return reply{takes: 50 * ms}
			}}.run(t)
			t.Logf("limits %v, %.0f/s", limits, goodput)
			if low := limits[1]; low < 8 || low > 40 {
				t.Errorf("%d at once after 20 s of a payer that bears %d", low, bears)
			}
			if last := limits[len(limits)-1]; last != 128 {
				t.Errorf("%d at once at the end, want 128 again", last)
			}
		})
	}
}

// A few calls are refused, or hang, whatever one does.
func TestGate_chanceIsNotTakenForOverload(t *testing.T) {
	limits, goodput := load{workers: 160, lasts: 6 * time.Second, behaves: func(time.Duration, int) reply {
		return reply{takes: 5 * ms, refused: rand.Float64() < 0.05}
	}}.run(t)
	t.Logf("limits %v, %.0f/s", limits, goodput)
	if goodput < 0.9*0.95*25_600 {
		t.Errorf("%.0f answers a second, want nearly %d", goodput, int(0.95*25_600))
	}
}

func TestGate_littleWorkTeachesNothing(t *testing.T) {
	limits, _ := load{workers: 2, lasts: time.Minute, behaves: func(at time.Duration, _ int) reply {
		return reply{takes: ms + at/1000} // slower and slower
	}}.run(t)
	if last := limits[len(limits)-1]; last != 128 {
		t.Errorf("%d at once, want 128: the limit was never felt", last)
	}
}

func BenchmarkGate(b *testing.B) {
	g := newGate(Config{ConcurrencyMin: 4, Concurrency: 128})
	until := time.Now().Add(time.Hour)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if pass, entered := g.enter(b.Context(), until); entered {
				g.leave(pass, &call{took: 5 * ms})
			}
		}
	})
}
