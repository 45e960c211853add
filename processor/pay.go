package processor

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/paybuf/paybuf/payment"
)

// errPayerSlow is the cause of a call that took longer than PayTimeout.
var errPayerSlow = errors.New("the payer did not answer in time")

// start takes the next step of a payment on its own goroutine. Its place is
// given back when the outcome is queued for writing; the queue is bounded, so a
// ledger that falls behind is felt here.
func (p *Processor) start(calls context.Context, work payment.Work, leaseEnds time.Time, from places) {
	p.workers.Go(func() {
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
	asks := work.State != payment.Paying
	switch {
	case asks && !p.payer.Traits().CanLookup:
		return p.policy.withoutLookup(work)
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
	started := time.Now()
	var answer payment.Answer
	if asks {
		p.counts.lookups.Add(1)
		answer = p.payer.Lookup(ctx, work.ID, work.Money)
	} else {
		p.counts.charges.Add(1)
		answer = p.payer.Charge(ctx, work.Request)
	}
	p.breaker.record(answer)
	outcome := p.policy.decide(work, answer)
	p.report(ctx, work, outcome, time.Since(started))
	return outcome
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
