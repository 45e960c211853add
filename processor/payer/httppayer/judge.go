package httppayer

import (
	"bytes"
	"errors"
	"mime"
	"net/http"
	"strings"

	"github.com/paybuf/paybuf/internal/outbound"
	"github.com/paybuf/paybuf/payment"
)

// Why there is no charge, or no knowledge of one. Operators see these; only
// those of a decline reach a tenant.
var (
	failureUnreachable = payment.Failure{Code: "payer_unreachable", Message: "the payer could not be reached"}
	failureBusy        = payment.Failure{Code: "payer_busy", Message: "the payer asked to try again later"}
	failureNoAnswer    = payment.Failure{Code: "payer_no_answer", Message: "the payer's answer was lost"}
	failureNotAsked    = payment.Failure{Code: "payer_no_lookup", Message: "the payer cannot be asked about a charge"}
	failureNotVoided   = payment.Failure{Code: "payer_no_void", Message: "the payer takes no charge back"}
	failureVoided      = payment.Failure{Code: statusVoided, Message: "the payment was voided"}
	failureUnexpected  = payment.Failure{Code: "payer_unexpected_answer", Message: "the payer's answer proves nothing"}
	failureMismatch    = payment.Failure{Code: "payer_mismatch", Message: "the payer answered about another charge"}
)

// asked is what a call was about.
type asked struct {
	reference     payment.ID
	money         payment.Money
	paymentMethod string // never to be shown; "" if not known
}

// judge says what an exchange proves about what was asked.
type judge struct {
	asked
	exchange
	evidence payment.Evidence
}

func (p *Payer) newJudge(want asked, sent exchange) judge {
	return judge{asked: want, exchange: sent, evidence: p.evidence(want, sent)}
}

// charge judges the answer to POST /charges.
func (j judge) charge() payment.Answer {
	switch {
	case !j.connected && !j.canceled:
		// Nothing was sent, whatever the reason. A caller that gave up gets the
		// safe verdict instead: it does not wait for proof.
		return j.answer(payment.VerdictNotCharged, failureUnreachable)
	case j.status == 0:
		return j.answer(payment.VerdictUnknown, failureNoAnswer)
	}
	switch j.status {
	case http.StatusOK, http.StatusCreated:
		return j.object()
	case http.StatusPaymentRequired:
		return j.declinedBy402()
	case http.StatusTooManyRequests:
		return j.answer(payment.VerdictNotCharged, failureBusy)
	case http.StatusServiceUnavailable:
		// Without Retry-After it may be a gateway that lost the payer half-way.
		if _, asked := outbound.RetryAfter(j.header); asked {
			return j.answer(payment.VerdictNotCharged, failureBusy)
		}
	}
	return j.answer(payment.VerdictUnknown, failureUnexpected)
}

// lookup judges the answer to GET /charges. What is not about the charge proves
// nothing about it: a refused connection or a 429 are unknown here.
func (j judge) lookup() payment.Answer {
	switch j.status {
	case 0:
		if errors.Is(j.err, errNoLookup) {
			return j.answer(payment.VerdictUnknown, failureNotAsked)
		}
		return j.answer(payment.VerdictUnknown, failureNoAnswer)
	case http.StatusOK:
		return j.object()
	case http.StatusNotFound:
		return j.notFound()
	}
	return j.answer(payment.VerdictUnknown, failureUnexpected)
}

// void judges the answer to POST /voids: nothing but the payer's own words about
// our payment proves anything.
func (j judge) void() payment.Answer {
	switch j.status {
	case 0:
		if errors.Is(j.err, errNoVoid) {
			return j.answer(payment.VerdictUnknown, failureNotVoided)
		}
		return j.answer(payment.VerdictUnknown, failureNoAnswer)
	case http.StatusOK:
		return j.takenBack()
	case http.StatusConflict: // too late, or about to be charged
		if answer := j.object(); answer.Verdict == payment.VerdictCharged || answer.Mismatch {
			return answer
		}
	}
	return j.answer(payment.VerdictUnknown, failureUnexpected)
}

func (j judge) takenBack() payment.Answer {
	got, err := decode[voidAnswer](j.body)
	switch {
	case j.err != nil || err != nil || got.Reference == "" || got.Status != statusVoided:
		return j.answer(payment.VerdictUnknown, failureUnexpected)
	case got.Reference != string(j.reference):
		return j.mismatch()
	}
	return j.answer(payment.VerdictNotCharged, payment.Failure{})
}

// object judges a whole charge object.
func (j judge) object() payment.Answer {
	got, err := decode[charge](j.body)
	if j.err != nil || err != nil || got.Reference == "" || got.Amount == nil || got.Currency == "" ||
		!outbound.IsID(got.ID) {
		return j.answer(payment.VerdictUnknown, failureUnexpected)
	}
	if j.contradicts(got) {
		return j.mismatch()
	}
	switch got.Status {
	case statusSucceeded:
		return j.about(got, payment.VerdictCharged, payment.Failure{})
	case statusPending:
		return j.about(got, payment.VerdictPending, payment.Failure{})
	case statusDeclined:
		return j.about(got, payment.VerdictDeclined, outbound.Declined(got.DeclineCode))
	case statusVoided:
		return j.about(got, payment.VerdictDeclined, failureVoided)
	}
	return j.answer(payment.VerdictUnknown, failureUnexpected)
}

// declinedBy402 judges a 402, whose body may be missing or partial. One that is
// no JSON object is a hosting company's page about its own bill.
func (j judge) declinedBy402() payment.Answer {
	if j.err == nil && len(bytes.TrimSpace(j.body)) == 0 {
		return j.answer(payment.VerdictDeclined, outbound.Declined(""))
	}
	got, err := decode[charge](j.body)
	switch {
	case j.err != nil || err != nil || (got.Status != "" && got.Status != statusDeclined):
		return j.answer(payment.VerdictUnknown, failureUnexpected)
	case j.contradicts(got):
		return j.mismatch()
	}
	return j.about(got, payment.VerdictDeclined, outbound.Declined(got.DeclineCode))
}

// notFound judges a 404: only the payer's own counts.
func (j judge) notFound() payment.Answer {
	media, _, err := mime.ParseMediaType(j.header.Get("Content-Type"))
	isJSON := err == nil && (media == "application/json" || strings.HasSuffix(media, "+json"))
	got, err := decode[refusal](j.body)
	switch {
	case !isJSON || j.err != nil || err != nil || (got.Error == "" && got.Code == ""):
		return j.answer(payment.VerdictUnknown, failureUnexpected)
	case got.Reference != "" && got.Reference != string(j.reference):
		return j.mismatch()
	}
	return j.answer(payment.VerdictNotFound, payment.Failure{})
}

// contradicts tells whether a member that is there is not what was asked for.
func (j judge) contradicts(got charge) bool {
	return (got.Reference != "" && got.Reference != string(j.reference)) ||
		(got.Amount != nil && *got.Amount != j.money.Minor()) ||
		(got.Currency != "" && got.Currency != j.money.Currency())
}

// mismatch keeps the id that came out of PayerReference: it may be another
// payment's. The evidence shows it.
func (j judge) mismatch() payment.Answer {
	answer := j.answer(payment.VerdictUnknown, failureMismatch)
	answer.Mismatch = true
	return answer
}

// about is an answer that speaks of our charge.
func (j judge) about(got charge, verdict payment.Verdict, failure payment.Failure) payment.Answer {
	answer := j.answer(verdict, failure)
	if outbound.IsID(got.ID) {
		answer.PayerReference = got.ID
	}
	return answer
}

func (j judge) answer(verdict payment.Verdict, failure payment.Failure) payment.Answer {
	wait, _ := outbound.RetryAfter(j.header)
	return payment.Answer{Verdict: verdict, Failure: failure, RetryAfter: wait, Evidence: j.evidence}
}
