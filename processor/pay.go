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
func (p *Processor) start(calls context.Context, work payment.Work, leaseEnds time.Time, from *places) {
	p.counts.inFlight.Add(1)
	p.workers.Go(func() {
		defer p.counts.inFlight.Add(-1)
		outcome := p.step(calls, work, leaseEnds)
		outcome.Tenant = work.Tenant
		p.outcomes <- outcome
		from.release(1)
	})
}

// step makes one call of the payer, or gives the work back if it cannot be made
// within the lease: a call that outlives its lease could meet its successor's.
func (p *Processor) step(ctx context.Context, work payment.Work, leaseEnds time.Time) payment.Outcome {
	lastStart := leaseEnds.Add(-p.cfg.PayTimeout - leaseMargin)
	pass, entered := p.gate.enter(ctx, lastStart)
	var made *call
	if entered {
		defer func() { p.gate.leave(pass, made) }()
	}
	// The ledger's clock now, no earlier than it is: the lease began before LeasedAt.
	now := work.LeasedAt.Add(time.Since(leaseEnds.Add(-p.cfg.Lease)))
	voids := p.policy.mustVoid(work, now)
	switch {
	case voids && p.policy.tooEarlyToVoid(work, now) > 0:
		outcome := notCalled(work, "a charge may still be on its way")
		outcome.NextIn = p.policy.tooEarlyToVoid(work, now)
		return outcome
	case !voids && p.repeats(work) && !p.policy.recognises(work, now):
		return p.policy.keyForgotten(work)
	case ctx.Err() != nil:
		return notCalled(work, "shutting down")
	case !entered || time.Now().After(lastStart):
		p.counts.leasesShort.Add(1)
		return notCalled(work, "the lease was about to end")
	case !p.breaker.allow():
		outcome := notCalled(work, "it fails mostly, so calls are paused")
		outcome.NextIn = p.policy.retryIn(max(work.Attempt, work.Lookups+1)) + p.cfg.BreakerDelay
		return outcome
	}
	fault.At(fault.ProcessorCalling)
	started := time.Now()
	answer := p.callInTime(ctx, work, voids)
	fault.At(fault.ProcessorAnswered)
	took := time.Since(started)
	refused := refuses(answer)
	if ctx.Err() == nil { // else it was cut off, which says nothing of the payer
		made = &call{took: took, refused: refused, timedOut: !refused && p.timedOut(answer, took)}
	}
	p.breaker.record(heard(answer, voids), refused && p.gate.mayLower())
	outcome := p.policy.outcome(work, answer, voids)
	p.report(ctx, work, outcome, took)
	return outcome
}

func (p *Processor) callInTime(ctx context.Context, work payment.Work, voids bool) payment.Answer {
	ctx, cancel := context.WithTimeoutCause(ctx, p.cfg.PayTimeout, errPayerSlow)
	defer cancel()
	return p.call(ctx, work, voids)
}

// HTTP's words for a payer that has too much to do (RFC 6585, section 4; RFC 9110,
// section 15.6.4). Adapters of other protocols put them into the evidence, too.
const (
	statusTooMany     = 429
	statusUnavailable = 503
)

// refuses tells the answer of a payer that has too much to do.
func refuses(answer payment.Answer) bool {
	switch answer.Verdict {
	case payment.VerdictUnknown, payment.VerdictNotCharged:
		status := answer.Evidence.HTTPStatus
		return answer.RetryAfter > 0 || status == statusTooMany || status == statusUnavailable
	case payment.VerdictCharged, payment.VerdictDeclined, payment.VerdictPending, payment.VerdictNotFound:
	}
	return false
}

// timedOut tells a call that ended without an answer after a long time. An adapter
// may have given a look-up less time than a charge.
func (p *Processor) timedOut(answer payment.Answer, took time.Duration) bool {
	return answer.Verdict == payment.VerdictUnknown && took >= p.cfg.PayTimeout/2
}

// repeats tells that the step would send what may have been sent before: a retry,
// or a question to a payer that cannot be asked in any other way. A payment that a
// person has released to be sent again begins anew: its first attempt is this one.
// A retry at a payer without keys has nothing to be recognised by, and needs
// nothing: it follows only on what was certainly not charged.
func (p *Processor) repeats(work payment.Work) bool {
	if work.State == payment.Paying {
		return work.Attempt > 1 && p.policy.traits.KeyWindow > 0 && work.FirstAttemptAt.Before(work.LeasedAt)
	}
	return !p.policy.traits.CanLookup
}

// call charges, or asks, or voids. A payer without a look-up is asked by the same
// charge with the same key, which it answers as it did the first time; the
// payment stays unknown until that answer is an outcome.
func (p *Processor) call(ctx context.Context, work payment.Work, voids bool) payment.Answer {
	if voids {
		return p.void(ctx, work)
	}
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
