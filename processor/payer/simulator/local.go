package simulator

import (
	"context"
	"net/http"
	"time"

	"github.com/paybuf/paybuf/payment"
)

// settleDelay is the part of the visibility delay that the options do not tell:
// the time that the ledger's fsync may take.
const settleDelay = time.Second

// Charge charges in-process. Like over a network, the end of ctx ends the wait
// and not the charge.
func (e *Engine) Charge(ctx context.Context, request payment.Request) payment.Answer {
	if ctx.Err() != nil || !e.enter() {
		return lost("the call was given up before it began")
	}
	fingerprint := request.Fingerprint()
	o := order{
		reference: string(request.ID),
		key:       string(request.ID),
		money:     request.Money,
		body:      digest(fingerprint[:len(digest{})]),
		declines:  request.PaymentMethod == DeclinedMethod,
	}
	replies := make(chan reply, 1)
	go func() {
		defer e.leave()
		replies <- e.send(ctx, o)
	}()
	select {
	case r := <-replies:
		return e.answer(r, request.Money, chargeVerdicts)
	case <-ctx.Done():
		return lost(context.Cause(ctx).Error())
	}
}

// Lookup asks in-process what became of a charge. An answer about another amount
// than money is a Mismatch.
func (e *Engine) Lookup(ctx context.Context, id payment.ID, money payment.Money) payment.Answer {
	if ctx.Err() != nil {
		return lost("the call was given up before it began")
	}
	return e.answer(e.find(ctx, string(id)), money, lookupVerdicts)
}

// Void takes back in-process what was charged. A charge of another amount than
// money, that it is too late for, is a Mismatch.
func (e *Engine) Void(ctx context.Context, id payment.ID, money payment.Money) payment.Answer {
	if ctx.Err() != nil {
		return lost("the call was given up before it began")
	}
	return e.answer(e.void(string(id)), money, voidVerdicts)
}

// Traits are what the options make of the payer.
func (e *Engine) Traits() payment.Traits {
	traits := payment.Traits{
		KeyWindow:       e.opts.KeyWindow,
		CanLookup:       !e.opts.NoLookup,
		CanVoid:         e.opts.CanVoid,
		CanPend:         true,
		KeyBytesMax:     textBytesMax,
		VisibilityDelay: e.opts.Latency + e.opts.Jitter + settleDelay,
	}
	if e.opts.IgnoreKeys {
		traits.KeyWindow = 0
	}
	if e.opts.Faults.Late > 0 {
		traits.VisibilityDelay += e.opts.Faults.LateFor
	}
	return traits
}

// The verdicts of replies that are not about a charge; those that are missing
// prove nothing.
var (
	chargeVerdicts = map[replyKind]payment.Verdict{
		replyUnavailable: payment.VerdictNotCharged,
		replyRateLimited: payment.VerdictNotCharged,
	}
	lookupVerdicts = map[replyKind]payment.Verdict{
		replyNotFound: payment.VerdictNotFound,
	}
	voidVerdicts = map[replyKind]payment.Verdict{
		replyVoided: payment.VerdictNotCharged,
	}
)

var excerpts = map[replyKind]string{
	replyClosed:      "simulator: closed",
	replyUnavailable: "simulator: unavailable, not charged",
	replyRateLimited: "simulator: rate limited, not charged",
	replyError:       "simulator: internal error",
	replyReset:       "simulator: connection reset",
	replyHung:        "simulator: no answer",
	replyGarbage:     "simulator: an answer that cannot be read",
	replyInProgress:  "simulator: the same key is in progress",
	replyKeyReused:   "simulator: the key was used for another request",
	replyNotFound:    "simulator: no such charge",
	replyNoLookup:    "simulator: cannot be asked",
	replyVoided:      "simulator: voided",
	replyNoVoid:      "simulator: takes nothing back",
}

// answer puts a reply the way that an adapter would.
func (e *Engine) answer(r reply, asked payment.Money, verdicts map[replyKind]payment.Verdict) payment.Answer {
	if r.kind == replyCharge || r.kind == replySettled {
		return chargeAnswer(r, asked)
	}
	answer := payment.Answer{
		Verdict:  verdicts[r.kind],
		Evidence: payment.Evidence{Excerpt: excerpts[r.kind]},
	}
	switch r.kind { //nolint:exhaustive // the others have nothing to add
	case replyUnavailable:
		answer.RetryAfter, answer.Evidence.HTTPStatus = e.opts.Faults.retryAfter(), http.StatusServiceUnavailable
	case replyRateLimited:
		answer.RetryAfter, answer.Evidence.HTTPStatus = e.opts.Faults.retryAfter(), http.StatusTooManyRequests
	}
	return answer
}

func chargeAnswer(r reply, asked payment.Money) payment.Answer {
	answer := payment.Answer{Evidence: payment.Evidence{Excerpt: "simulator: " + string(r.status)}}
	if r.amount != asked.Minor() || r.op.money.Currency() != asked.Currency() {
		answer.Mismatch = true
		answer.Evidence.Excerpt += ", but another amount"
		return answer
	}
	answer.PayerReference = chargeID(r.op.number)
	switch r.status {
	case succeeded:
		answer.Verdict = payment.VerdictCharged
	case pending:
		answer.Verdict = payment.VerdictPending
	case voided:
		answer.Verdict = payment.VerdictDeclined
		answer.Failure = payment.Failure{Code: string(voided), Message: "the payment was voided"}
	case declined:
		answer.Verdict = payment.VerdictDeclined
		answer.Failure = payment.Failure{
			Code:    declineCode,
			Message: "the payer declined the payment: " + declineCode,
		}
	}
	return answer
}

// lost is the answer to a call whose reply nobody waited for.
func lost(why string) payment.Answer {
	return payment.Answer{Evidence: payment.Evidence{Excerpt: "simulator: " + why}}
}

// retryAfter is what the header can say: whole seconds, rounded up.
func (f Faults) retryAfter() time.Duration {
	return (f.RetryAfter + time.Second - 1).Truncate(time.Second)
}
