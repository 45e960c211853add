package processor

import (
	"math/rand/v2"
	"time"

	"github.com/paybuf/paybuf/internal/fault"
	"github.com/paybuf/paybuf/payment"
)

// policy decides what an answer of the payer means for a payment. It is the one
// place where evidence becomes a state, and has no effects.
type policy struct {
	cfg    Config
	traits payment.Traits
	jitter func() float64 // 0 to 1
}

func newPolicy(cfg Config, traits payment.Traits) policy {
	return policy{cfg: cfg, traits: traits, jitter: rand.Float64}
}

// decide gives the outcome of a step. Nothing but the payer's own word makes a
// payment succeeded or failed.
func (p policy) decide(work payment.Work, answer payment.Answer) payment.Outcome {
	outcome := payment.Outcome{
		ID: work.ID, Version: work.Version, From: work.State, Answer: answer, Failure: answer.Failure,
	}
	switch answer.Verdict {
	case payment.VerdictCharged:
		outcome.To = payment.Succeeded
		outcome.Failure = payment.Failure{}
	case payment.VerdictDeclined:
		outcome.To = payment.Failed
	case payment.VerdictPending:
		outcome.To = payment.Pending
		outcome.NextIn = max(answer.RetryAfter, p.pollIn(work))
	case payment.VerdictNotCharged, payment.VerdictNotFound, payment.VerdictUnknown:
		outcome = p.undecided(work, outcome)
	}
	if p.exhausted(work, outcome) {
		return park(outcome)
	}
	return outcome
}

// undecided is an answer that is not an end. After a charge attempt only a
// certain "not charged" allows another; after a look-up only "not found".
func (p policy) undecided(work payment.Work, outcome payment.Outcome) payment.Outcome {
	answer := outcome.Answer
	switch {
	case work.State == payment.Paying && answer.Verdict == payment.VerdictNotCharged:
		outcome.To = payment.Retrying
		outcome.NextIn = max(answer.RetryAfter, p.retryIn(work.Attempt))
	case work.State == payment.Paying:
		return p.ambiguous(outcome)
	case answer.Verdict == payment.VerdictNotFound:
		return p.notFound(work, outcome)
	default: // the look-up itself failed: nothing learned
		outcome.To = work.State
		outcome.NextIn = max(answer.RetryAfter, p.lookupIn(work.Lookups+1))
	}
	return outcome
}

// ambiguous is a charge attempt whose answer proves nothing. A payer that can
// neither be asked, nor recognises a repetition, nor voids, leaves only a human.
func (p policy) ambiguous(outcome payment.Outcome) payment.Outcome {
	if !p.traits.CanLookup && p.traits.KeyWindow == 0 && !p.traits.CanVoid {
		return park(outcome)
	}
	outcome.To = payment.Unknown
	outcome.NextIn = p.lookupIn(1)
	return outcome
}

// notFound is the payer's word that it knows no such charge. It counts once the
// last attempt can no longer be hidden, and allows another attempt only while
// the payer would recognise the key.
func (p policy) notFound(work payment.Work, outcome payment.Outcome) payment.Outcome {
	visibleAt := work.LastAttemptAt.Add(p.traits.VisibilityDelay)
	switch {
	case work.LeasedAt.Before(visibleAt) && !fault.Dropped(fault.Visibility):
		outcome.To = work.State
		outcome.NextIn = min(visibleAt.Sub(work.LeasedAt), p.lookupIn(work.Lookups+1)) // it may show before that
	case work.State == payment.Pending: // it was accepted once: strange, so ask on
		outcome.To = payment.Unknown
		outcome.NextIn = p.lookupIn(work.Lookups + 1)
	case p.recognises(work, work.LeasedAt):
		outcome.To = payment.Retrying
	default:
		outcome.To = payment.Unknown
		outcome.NextIn = p.lookupIn(work.Lookups + 1)
	}
	return outcome
}

// recognises tells that the payer takes another send at a moment for what it is:
// the key is still remembered, also if the call takes its time. A payer without
// keys recognises nothing; it must have been asked before, or have voided what may
// have been sent.
func (p policy) recognises(work payment.Work, at time.Time) bool {
	if p.traits.KeyWindow == 0 {
		return p.traits.CanLookup || p.traits.CanVoid && work.State == payment.Paying
	}
	if fault.Dropped(fault.KeyWindow) {
		return true
	}
	return at.Add(p.cfg.PayTimeout).Before(work.FirstAttemptAt.Add(p.traits.KeyWindow))
}

// keyForgotten is the outcome of work whose key the payer may have forgotten by
// now: it is not sent again. What the payer can be asked, it is asked; what it can
// void, it is told to void.
func (p policy) keyForgotten(work payment.Work) payment.Outcome {
	outcome := payment.Outcome{ID: work.ID, Version: work.Version, From: work.State, To: payment.Unknown}
	outcome.Answer.Evidence.Excerpt = "the payer was not called: its key window is over"
	if canVoid := p.traits.CanVoid && work.State == payment.Paying; !p.traits.CanLookup && !canVoid {
		return park(outcome)
	}
	return outcome
}

// notCalled is the outcome of work that was given back before any call.
func notCalled(work payment.Work, reason string) payment.Outcome {
	outcome := payment.Outcome{ID: work.ID, Version: work.Version, From: work.State, To: work.State}
	if work.State == payment.Paying {
		outcome.To = payment.Retrying
		outcome.Answer.Verdict = payment.VerdictNotCharged
	}
	outcome.Answer.Evidence.Excerpt = "the payer was not called: " + reason
	return outcome
}

func park(outcome payment.Outcome) payment.Outcome {
	reason := payment.Failure{Code: payment.FailureAmbiguous, Message: "the payer's answer was lost; a person must find out"}
	if outcome.To == payment.Retrying {
		reason = payment.Failure{Code: payment.FailureExhausted, Message: "the payer took no order in time; not charged"}
	}
	outcome.To, outcome.NextIn, outcome.Failure = payment.Parked, 0, reason
	return outcome
}
