package processor

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/paybuf/paybuf/internal/fault"
	"github.com/paybuf/paybuf/payment"
)

// errPayerSlow is the cause of a call that took longer than PayTimeout.
var errPayerSlow = errors.New("the payer did not answer in time")

// start takes the next step of a payment on its own goroutine. Its place is
// given back when the outcome is queued for writing; the queue is bounded, so a
// ledger that falls behind is felt here.
func (p *Processor) start(calls context.Context, work payment.Work, leaseEnds time.Time, from places) {
	p.counts.inFlight.Add(1)
	p.workers.Go(func() {
		defer p.counts.inFlight.Add(-1)
		outcome := p.step(calls, work, leaseEnds)
		p.outcomes <- outcome
		from.release(1)
	})
}

// step makes one call of the payer, or gives the work back if it cannot be made
// within the lease: a call that outlives its lease could meet its successor's.
func (p *Processor) step(ctx context.Context, work payment.Work, leaseEnds time.Time) payment.Outcome {
	p.calls <- struct{}{} // never long: every call has a deadline
	defer func() { <-p.calls }()
	// The ledger's clock now, no earlier than it is: the lease began before LeasedAt.
	now := work.LeasedAt.Add(time.Since(leaseEnds.Add(-p.cfg.Lease)))
	switch {
	case p.repeats(work) && !p.policy.recognises(work, now):
		return p.policy.keyForgotten(work)
	case ctx.Err() != nil:
		return notCalled(work, "shutting down")
	case time.Until(leaseEnds) < p.cfg.PayTimeout+leaseMargin:
		return notCalled(work, "the lease was about to end")
	case !p.breaker.allow():
		outcome := notCalled(work, "it fails mostly, so calls are paused")
		outcome.NextIn = p.policy.backoff(max(work.Attempt, work.Lookups+1)) + p.cfg.BreakerDelay
		return outcome
	}
	ctx, cancel := context.WithTimeoutCause(ctx, p.cfg.PayTimeout, errPayerSlow)
	defer cancel()
	fault.At(fault.ProcessorCalling)
	started := time.Now()
	answer := p.call(ctx, work)
	fault.At(fault.ProcessorAnswered)
	p.breaker.record(answer)
	outcome := p.policy.decide(work, answer)
	p.report(ctx, work, outcome, time.Since(started))
	return outcome
}

// repeats tells that the step would send what may have been sent before: a
// retry, or a question to a payer that cannot be asked in any other way.
func (p *Processor) repeats(work payment.Work) bool {
	if work.State == payment.Paying {
		return work.Attempt > 1
	}
	return !p.policy.traits.CanLookup
}

// call charges, or asks. A payer without a look-up is asked by the same charge
// with the same key, which it answers as it did the first time; the payment
// stays unknown until that answer is an outcome.
func (p *Processor) call(ctx context.Context, work payment.Work) payment.Answer {
	if work.State != payment.Paying && p.policy.traits.CanLookup && !fault.Dropped(fault.LookUp) {
		p.counts.lookups.Add(1)
		return p.payer.Lookup(ctx, work.ID, work.Money)
	}
	p.counts.charges.Add(1)
	return p.payer.Charge(ctx, work.Request)
}

// report writes the one wide line of a step. An amount that is not ours is an
// alarm; a payment that went well is not news.
func (p *Processor) report(ctx context.Context, work payment.Work, outcome payment.Outcome, took time.Duration) {
	level := slog.LevelDebug
	switch {
	case outcome.Answer.Mismatch:
		p.counts.mismatches.Add(1)
		level = slog.LevelError
	case outcome.To == payment.Parked:
		level = slog.LevelError
	case outcome.To != payment.Succeeded && outcome.To != payment.Failed:
		level = slog.LevelInfo
	}
	p.log.LogAttrs(ctx, level, "payment",
		slog.String("payment_id", string(work.ID)),
		slog.String("tenant", string(work.Tenant)),
		slog.String("from", string(outcome.From)),
		slog.String("to", string(outcome.To)),
		slog.Int64("version", work.Version),
		slog.Int("attempt", work.Attempt),
		slog.Int("lookups", work.Lookups),
		slog.String("verdict", outcome.Answer.Verdict.String()),
		slog.Int("http_status", outcome.Answer.Evidence.HTTPStatus),
		slog.Bool("mismatch", outcome.Answer.Mismatch),
		slog.Duration("took", took),
		slog.Duration("next_in", outcome.NextIn),
	)
}
