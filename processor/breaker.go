package processor

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/failsafe-go/failsafe-go/circuitbreaker"

	"github.com/paybuf/paybuf/payment"
)

// The breaker opens when most calls of the last seconds failed, so that one slow
// or unlucky payment in ten never stops the rest.
const (
	breakerFailureRate = 0.6
	breakerCallsMin    = 20
	breakerPeriod      = 10 * time.Second
)

// breaker keeps the backlog in the buffer while the payer is down: claiming what
// cannot be paid would only turn a queue into a pile of retries.
type breaker struct {
	circuit    circuitbreaker.CircuitBreaker[payment.Answer]
	probeEvery time.Duration

	mu       sync.Mutex
	openedAt time.Time     // zero while it is closed
	changed  chan struct{} // closed at the next change of state
}

func newBreaker(cfg Config) *breaker {
	b := &breaker{probeEvery: cfg.BreakerDelay / 4, changed: make(chan struct{})}
	b.circuit = circuitbreaker.NewBuilder[payment.Answer]().
		WithFailureRateThreshold(breakerFailureRate, breakerCallsMin, breakerPeriod).
		WithDelay(cfg.BreakerDelay).
		WithSuccessThreshold(1).
		OnStateChanged(func(event circuitbreaker.StateChangedEvent) {
			cfg.Logger.Warn("payer's circuit breaker",
				slog.String("from", event.OldState.String()), slog.String("to", event.NewState.String()))
			b.note(event.NewState)
		}).
		Build()
	return b
}

// note is called at each change of state.
func (b *breaker) note(state circuitbreaker.State) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case state == circuitbreaker.ClosedState:
		b.openedAt = time.Time{}
	case b.openedAt.IsZero():
		b.openedAt = time.Now()
	}
	close(b.changed)
	b.changed = make(chan struct{})
}

func (b *breaker) nextChange() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.changed
}

// pausedFor tells for how long the payer has been taken for down; 0 if it is not.
func (b *breaker) pausedFor() time.Duration {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.openedAt.IsZero() {
		return 0
	}
	return max(time.Since(b.openedAt), 1)
}

// wait returns how much work may be taken on, at most limit, once any may be.
// While the payer has yet to show that it works that is one payment now and
// then: each taken on in vain must wait for its retry. It returns 0 when ctx ends.
func (b *breaker) wait(ctx context.Context, limit int) int {
	for ctx.Err() == nil {
		changed := b.nextChange() // before the look, so that none is missed
		switch {
		case b.circuit.IsClosed():
			return limit
		case b.circuit.IsOpen() && b.circuit.RemainingDelay() <= 0:
			if pauseUnless(ctx, changed, b.probeEvery) {
				return 1
			}
		case b.circuit.IsOpen():
			pauseUnless(ctx, changed, b.circuit.RemainingDelay())
		default: // a probe is under way
			pauseUnless(ctx, changed, b.probeEvery)
		}
	}
	return 0
}

// allow asks for one call; who gets it must record its answer.
func (b *breaker) allow() bool { return b.circuit.TryAcquirePermit() }

// record tells a payer that works from one that does not. A decline is an answer
// like any other; "not found" too. A refusal by a payer that has too much to do is
// left to the limit, as long as that has room below: it is alive.
func (b *breaker) record(answer payment.Answer, leftToLimit bool) {
	if leftToLimit && b.circuit.IsClosed() {
		return
	}
	switch answer.Verdict {
	case payment.VerdictUnknown, payment.VerdictNotCharged:
		b.circuit.RecordFailure()
	case payment.VerdictCharged, payment.VerdictDeclined, payment.VerdictPending, payment.VerdictNotFound:
		b.circuit.RecordSuccess()
	}
}

// pause tells whether the time passed before ctx ended.
func pause(ctx context.Context, d time.Duration) bool { return pauseUnless(ctx, nil, d) }

// pauseUnless is a pause that also ends, in vain, when a channel is closed.
func pauseUnless(ctx context.Context, closed <-chan struct{}, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-closed:
	case <-ctx.Done():
	}
	return false
}
