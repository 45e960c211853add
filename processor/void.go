package processor

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/paybuf/paybuf/payment"
)

// Voider is a Payer that can take a charge back by our id, whether there is one
// or not.
type Voider interface {
	// Void makes sure that no money of the payment moves or stays moved. "Not
	// charged" is the payer's word that none does; "charged" that it is too late.
	Void(ctx context.Context, id payment.ID, money payment.Money) payment.Answer
}

// checkTraits refuses a payer that cannot do what the processor would ask of it.
func checkTraits(payer Payer) error {
	traits := payer.Traits()
	_, isVoider := payer.(Voider)
	switch {
	case traits.KeyWindow < 0 || traits.VisibilityDelay < 0 || traits.KeyBytesMax < 0:
		return errors.New("the payer declares a negative key window, key length or visibility delay")
	case traits.KeyWindow > 0 && traits.KeyBytesMax > 0 && traits.KeyBytesMax < payment.IDLength:
		return fmt.Errorf("the payer's idempotency keys have at most %d bytes; a payment id, which is the key, has %d",
			traits.KeyBytesMax, payment.IDLength)
	case traits.CanVoid && !isVoider:
		return errors.New("the payer declares that it can void, and offers no way to")
	}
	return nil
}

// mustVoid tells that a lost answer is resolved by taking the charge back: the
// payer cannot be asked, and another send would not be recognised.
func (p policy) mustVoid(work payment.Work, now time.Time) bool {
	return work.State == payment.Unknown && p.traits.CanVoid && !p.traits.CanLookup &&
		(p.traits.KeyWindow == 0 || !p.recognises(work, now))
}

// tooEarlyToVoid gives how long a charge that is still on its way may take: a void
// in front of it would prove nothing. A question that is a repeated charge is no
// attempt, but none is sent after the key's window.
func (p policy) tooEarlyToVoid(work payment.Work, now time.Time) time.Duration {
	last := work.LastAttemptAt
	if forgotten := work.FirstAttemptAt.Add(p.traits.KeyWindow); forgotten.After(last) {
		last = forgotten
	}
	return last.Add(p.traits.VisibilityDelay).Sub(now)
}

// void takes a charge back and says what that proves.
func (p *Processor) void(ctx context.Context, work payment.Work) payment.Answer {
	p.counts.voids.Add(1)
	voider, isVoider := p.payer.(Voider)
	if !isVoider { // New has checked
		return payment.Answer{}
	}
	return voider.Void(ctx, work.ID, work.Money)
}

// heard is what a void's answer tells about the payer's health: a charge that was
// taken back is no failure.
func heard(answer payment.Answer, voids bool) payment.Answer {
	if voids && answer.Verdict == payment.VerdictNotCharged {
		answer.Verdict = payment.VerdictNotFound
	}
	return answer
}

// outcome decides what the answer to a step's call means.
func (p policy) outcome(work payment.Work, answer payment.Answer, voids bool) payment.Outcome {
	if voids {
		return p.voided(work, answer)
	}
	return p.decide(work, answer)
}

// voided decides what the answer to a void means.
//
// A payer with keys may remember them longer than it promises, and would then
// answer another send with the charge that has just been taken back. So the
// payment ends; a new try is a new payment with a key of its own. A payer without
// keys is sent the payment again, but only when a void whose answer was lost can
// no longer be on its way: it would take the new charge back. See ADR 0020.
func (p policy) voided(work payment.Work, answer payment.Answer) payment.Outcome {
	if answer.Verdict != payment.VerdictNotCharged {
		if answer.Verdict == payment.VerdictNotFound { // a void has no such answer
			answer.Verdict = payment.VerdictUnknown
		}
		return p.decide(work, answer)
	}
	outcome := payment.Outcome{ID: work.ID, Version: work.Version, From: work.State, Answer: answer}
	if p.traits.KeyWindow > 0 {
		outcome.To = payment.Failed
		outcome.Failure = payment.Failure{
			Code: payment.FailureVoided, Message: "the payer's answer was lost; the charge was voided",
		}
		return outcome
	}
	outcome.To = payment.Retrying
	outcome.NextIn = max(p.traits.VisibilityDelay, answer.RetryAfter, p.retryIn(work.Attempt))
	if age(work) > p.cfg.ParkAfter {
		return park(outcome)
	}
	return outcome
}
