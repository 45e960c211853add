package processor

import (
	"context"
	"math"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// rateBurstPart of a second's calls may begin at once.
const rateBurstPart = 10

// gate lets calls of the payer begin: so many at once as the payer bears, and so
// many a second as it allows.
type gate struct {
	rate    *rate.Limiter // nil without one
	latency latency

	mu       sync.Mutex
	tuner    tuner
	inFlight int
	waiting  []chan struct{} // closed when it is its turn; the first waits longest
}

// pass is the right to make one call.
type pass struct {
	throttled bool // it had to wait for the rate
}

func newGate(cfg Config) *gate {
	g := &gate{tuner: newTuner(cfg.ConcurrencyMin, cfg.Concurrency)}
	if cfg.PayerRate > 0 {
		g.rate = rate.NewLimiter(rate.Limit(cfg.PayerRate), int(math.Ceil(cfg.PayerRate/rateBurstPart)))
	}
	return g
}

// enter waits for a place and for the rate, until a moment at most; who gets a
// pass must leave. Those who wait have taken a payment on, so there are few.
func (g *gate) enter(ctx context.Context, until time.Time) (pass, bool) {
	admitted := g.tryEnter()
	if admitted && (g.rate == nil || g.rate.Allow()) {
		return pass{}, true
	}
	ctx, cancel := context.WithDeadline(ctx, until)
	defer cancel()
	if !admitted && !g.await(ctx) {
		return pass{}, false
	}
	if g.rate != nil && g.rate.Wait(ctx) != nil {
		g.leave(pass{}, nil)
		return pass{}, false
	}
	return pass{throttled: g.rate != nil}, true
}

func (g *gate) tryEnter() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.inFlight >= g.tuner.limit || len(g.waiting) > 0 {
		return false
	}
	g.inFlight++
	return true
}

func (g *gate) await(ctx context.Context) bool {
	turn := make(chan struct{})
	g.mu.Lock()
	g.waiting = append(g.waiting, turn)
	g.admit()
	g.mu.Unlock()
	select {
	case <-turn:
		return true
	case <-ctx.Done():
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	for i, other := range g.waiting {
		if other == turn {
			g.waiting = append(g.waiting[:i], g.waiting[i+1:]...)
			return false
		}
	}
	g.inFlight-- // its turn came at the same moment
	g.admit()
	return false
}

// leave gives a pass back. What the call showed is learned; nil for one that was
// not made.
func (g *gate) leave(p pass, made *call) {
	now := time.Now()
	if made != nil {
		g.latency.add(now, made.took)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	full := g.inFlight >= g.tuner.limit
	g.inFlight--
	if made != nil {
		made.full, made.throttled, made.inFlight = full, p.throttled, g.inFlight
		g.tuner.observe(now, *made)
	}
	g.admit()
}

// admit needs the lock.
func (g *gate) admit() {
	for len(g.waiting) > 0 && g.inFlight < g.tuner.limit {
		close(g.waiting[0])
		g.waiting = g.waiting[1:]
		g.inFlight++
	}
}

// limit is how many calls may run at once now.
func (g *gate) limit() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.tuner.limit
}

// mayLower tells that fewer calls at once could still be tried.
func (g *gate) mayLower() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.tuner.limit > g.tuner.floor
}
