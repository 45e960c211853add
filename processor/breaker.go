package processor

import (
	"context"
	"log/slog"
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
	breakerPoll        = 50 * time.Millisecond
)

// breaker keeps the backlog in the buffer while the payer is down: claiming what
// cannot be paid would only turn a queue into a pile of retries.
type breaker struct {
	circuit    circuitbreaker.CircuitBreaker[payment.Answer]
	probeEvery time.Duration
}

func newBreaker(cfg Config) *breaker {
	log := func(event circuitbreaker.StateChangedEvent) {
		cfg.Logger.Warn("payer's circuit breaker",
			slog.String("from", event.OldState.String()), slog.String("to", event.NewState.String()))
	}
	circuit := circuitbreaker.NewBuilder[payment.Answer]().
		WithFailureRateThreshold(breakerFailureRate, breakerCallsMin, breakerPeriod).
		WithDelay(cfg.BreakerDelay).
		WithSuccessThreshold(1).
		OnStateChanged(log).
		Build()
	return &breaker{circuit: circuit, probeEvery: cfg.BreakerDelay / 4}
}

// wait returns how much work may be taken on, at most limit, once any may be.
// While the payer has yet to show that it works that is one payment now and
// then: each taken on in vain must wait for its retry. It returns 0 when ctx ends.
func (b *breaker) wait(ctx context.Context, limit int) int {
	for ctx.Err() == nil {
		switch {
		case b.circuit.IsClosed():
			return limit
		case b.circuit.IsOpen() && b.circuit.RemainingDelay() <= 0:
			if pause(ctx, b.probeEvery) {
				return 1
			}
		default: // paused, or a probe is under way
			pause(ctx, max(b.circuit.RemainingDelay(), breakerPoll))
		}
	}
	return 0
}

// allow asks for one call; who gets it must record its answer.
func (b *breaker) allow() bool { return b.circuit.TryAcquirePermit() }

// record tells a payer that works from one that does not. A decline is an answer
// like any other; "not found" too.
func (b *breaker) record(answer payment.Answer) {
	switch answer.Verdict {
	case payment.VerdictUnknown, payment.VerdictNotCharged:
		b.circuit.RecordFailure()
	case payment.VerdictCharged, payment.VerdictDeclined, payment.VerdictPending, payment.VerdictNotFound:
		b.circuit.RecordSuccess()
	}
}

func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
