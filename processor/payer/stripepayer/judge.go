package stripepayer

import (
	"net/http"
	"slices"
	"strings"

	"github.com/stripe/stripe-go/v85"

	"github.com/paybuf/paybuf/internal/outbound"
	"github.com/paybuf/paybuf/payment"
)

// Why there is no charge, or no knowledge of one. Operators see these; only
// those of a decline reach a tenant.
var (
	failureUnreachable = payment.Failure{Code: "payer_unreachable", Message: "the payer could not be reached"}
	failureBusy        = payment.Failure{Code: "payer_busy", Message: "the payer asked to try again later"}
	failureKey         = payment.Failure{Code: "payer_key_refused", Message: "the payer refused our key"}
	failureNoAnswer    = payment.Failure{Code: "payer_no_answer", Message: "the payer's answer was lost"}
	failureNotAsked    = payment.Failure{Code: "payer_no_lookup", Message: "the payer cannot be asked about a charge"}
	failureUnexpected  = payment.Failure{Code: "payer_unexpected_answer", Message: "the payer's answer proves nothing"}
	failureMismatch    = payment.Failure{Code: "payer_mismatch", Message: "the payer answered about another charge"}
	failureAmount      = payment.Failure{Code: "amount_not_supported", Message: "the payer cannot charge this amount of the currency"}
)

// refusedForGood are errors about a parameter, which nothing but another request
// can change. They are told before anything is done. What depends on the state of
// the account or of the payment method is not among them.
var refusedForGood = []stripe.ErrorCode{
	stripe.ErrorCodeAmountTooLarge,
	stripe.ErrorCodeAmountTooSmall,
	stripe.ErrorCodeParameterInvalidEmpty,
	stripe.ErrorCodeParameterInvalidInteger,
	stripe.ErrorCodeParameterInvalidStringBlank,
	stripe.ErrorCodeParameterInvalidStringEmpty,
	stripe.ErrorCodeParameterMissing,
	stripe.ErrorCodeParameterUnknown,
}

// judge says what an exchange proves about what was asked.
type judge struct {
	exchange
	id       payment.ID
	money    payment.Money
	evidence payment.Evidence
}

func (p *Payer) judge(id payment.ID, money payment.Money, paymentMethod string, got exchange) judge {
	return judge{exchange: got, id: id, money: money, evidence: p.evidence(got, paymentMethod)}
}

// neverSent is a payment that Stripe was not told of, and never will be.
func neverSent(err error) payment.Answer {
	return payment.Answer{
		Verdict: payment.VerdictDeclined, Failure: failureAmount,
		Evidence: payment.Evidence{Excerpt: outbound.Excerpt(err.Error())},
	}
}

// charge judges the answer to a charge.
func (j judge) charge() payment.Answer {
	switch {
	case j.intent != nil:
		return j.ofIntent(j.intent)
	case j.refusal != nil:
		return j.refused()
	case !j.connected && !j.canceled:
		// Nothing was sent, whatever the reason. A caller that gave up gets the
		// safe verdict instead: it does not wait for proof.
		return j.answer(payment.VerdictNotCharged, failureUnreachable)
	case j.status == 0:
		return j.unknown(failureNoAnswer)
	}
	return j.unknown(failureUnexpected)
}

// lookup judges the answer to a search or to the reading of an intent. What is not
// an intent proves nothing about the charge.
func (j judge) lookup() payment.Answer {
	switch {
	case j.intent != nil:
		return j.ofIntent(j.intent)
	case j.status == 0:
		return j.unknown(failureNoAnswer)
	}
	return j.unknown(failureUnexpected)
}

func (j judge) notFound() payment.Answer {
	return j.answer(payment.VerdictNotFound, payment.Failure{})
}

// refused judges Stripe's own error.
func (j judge) refused() payment.Answer {
	code := j.refusal.Code
	switch {
	case code == stripe.ErrorCodeIdempotencyKeyInUse || code == stripe.ErrorCodeLockTimeout:
		return j.unknown(failureBusy) // another request is at it
	case j.refusal.Type == stripe.ErrorTypeIdempotency:
		return j.mismatch() // the key was used for other parameters
	case j.status == http.StatusTooManyRequests:
		if code == stripe.ErrorCodeRateLimit || j.header.Get("Stripe-Should-Retry") == "true" {
			return j.answer(payment.VerdictNotCharged, failureBusy)
		}
	case j.status == http.StatusUnauthorized || j.status == http.StatusForbidden:
		return j.answer(payment.VerdictNotCharged, failureKey)
	case j.status == http.StatusPaymentRequired || j.status == http.StatusBadRequest || j.status == http.StatusNotFound:
		return j.refusedContent()
	}
	return j.unknown(failureUnexpected)
}

// refusedContent judges an error that is about the payment: by the intent that
// came with it, or by its being about a parameter.
func (j judge) refusedContent() payment.Answer {
	if intent := j.refusal.PaymentIntent; intent != nil {
		if intent.LastPaymentError == nil {
			named := *intent
			named.LastPaymentError = j.refusal
			intent = &named
		}
		answer := j.ofIntent(intent)
		if answer.Verdict == payment.VerdictDeclined || answer.Mismatch {
			return answer
		}
		return j.unknown(failureUnexpected)
	}
	missing := j.refusal.Code == stripe.ErrorCodeResourceMissing && j.refusal.Param == "payment_method"
	if j.refusal.Type == stripe.ErrorTypeInvalidRequest && (missing || slices.Contains(refusedForGood, j.refusal.Code)) {
		return j.answer(payment.VerdictDeclined, outbound.Declined(string(j.refusal.Code)))
	}
	return j.unknown(failureUnexpected)
}

// ofIntent judges by the state of an intent.
func (j judge) ofIntent(intent *stripe.PaymentIntent) payment.Answer {
	if intent.Object != "payment_intent" || !outbound.IsID(intent.ID) || intent.Metadata[metadataID] == "" {
		return j.unknown(failureUnexpected)
	}
	amount, err := amountOf(j.money)
	if err != nil || intent.Metadata[metadataID] != string(j.id) || intent.Amount != amount ||
		!strings.EqualFold(string(intent.Currency), j.money.Currency()) {
		return j.mismatch()
	}
	isPaid, isUnpaid := intent.AmountReceived == amount, intent.AmountReceived == 0
	switch intent.Status { //nolint:exhaustive // the rest is what our requests do not lead to
	case stripe.PaymentIntentStatusSucceeded:
		if !isPaid {
			return j.mismatch()
		}
		return j.about(intent, payment.VerdictCharged, payment.Failure{})
	case stripe.PaymentIntentStatusProcessing:
		return j.about(intent, payment.VerdictPending, payment.Failure{})
	case stripe.PaymentIntentStatusCanceled:
		if isUnpaid {
			return j.about(intent, payment.VerdictDeclined, outbound.Declined(reasonOf(intent, "canceled")))
		}
	case stripe.PaymentIntentStatusRequiresPaymentMethod:
		// Without an error it may be about to be confirmed. With one it would need
		// another payment method, which nobody gives it.
		if isUnpaid && intent.LastPaymentError != nil {
			return j.about(intent, payment.VerdictDeclined, outbound.Declined(reasonOf(intent, "")))
		}
	}
	return j.unknown(failureUnexpected)
}

// reasonOf gives the issuer's reason rather than Stripe's summary of it.
func reasonOf(intent *stripe.PaymentIntent, otherwise string) string {
	switch failed := intent.LastPaymentError; {
	case failed == nil:
		return otherwise
	case failed.DeclineCode != "":
		return string(failed.DeclineCode)
	default:
		return string(failed.Code)
	}
}

// together makes one answer of those about each intent of a payment. Two charges
// are the payer's mistake or ours, and an alarm; else the worst is what counts.
func together(answers []payment.Answer) payment.Answer {
	worst := []payment.Verdict{
		payment.VerdictCharged, payment.VerdictUnknown, payment.VerdictPending, payment.VerdictDeclined,
	}
	slices.SortStableFunc(answers, func(a, b payment.Answer) int {
		return slices.Index(worst, a.Verdict) - slices.Index(worst, b.Verdict)
	})
	first := answers[0]
	if len(answers) > 1 && answers[1].Verdict == payment.VerdictCharged {
		first.Verdict, first.Mismatch, first.Failure, first.PayerReference = payment.VerdictUnknown, true, failureMismatch, ""
	}
	return first
}

// mismatch keeps the id that came out of PayerReference: it may be another
// payment's. The evidence shows it.
func (j judge) mismatch() payment.Answer {
	answer := j.unknown(failureMismatch)
	answer.Mismatch = true
	return answer
}

func (j judge) unknown(failure payment.Failure) payment.Answer {
	return j.answer(payment.VerdictUnknown, failure)
}

// about is an answer that speaks of our intent.
func (j judge) about(intent *stripe.PaymentIntent, verdict payment.Verdict, failure payment.Failure) payment.Answer {
	answer := j.answer(verdict, failure)
	answer.PayerReference = intent.ID
	return answer
}

func (j judge) answer(verdict payment.Verdict, failure payment.Failure) payment.Answer {
	wait, _ := outbound.RetryAfter(j.header)
	return payment.Answer{Verdict: verdict, Failure: failure, RetryAfter: wait, Evidence: j.evidence}
}
