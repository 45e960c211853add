package httppayer_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/paybuf/paybuf/payment"
	"github.com/paybuf/paybuf/processor/payer/httppayer"
	"github.com/paybuf/paybuf/processor/payer/payertest"
)

const isVoided = `{"reference":"%s","status":"voided"}`

// voiding gives a payer that can void and always answers the same.
func voiding(t *testing.T, request payment.Request, answer says) *httppayer.Payer {
	t.Helper()
	return serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", jsonType)
		w.WriteHeader(answer.status)
		_, _ = fmt.Fprint(w, strings.ReplaceAll(answer.body, "%s", string(request.ID)))
	}, httppayer.Config{Traits: &payment.Traits{CanVoid: true}})
}

func TestVoid_claimsNoMoreThanTheAnswerProves(t *testing.T) {
	for name, c := range map[string]struct {
		says
		verdict  payment.Verdict
		mismatch bool
	}{
		"voided":                 {says{status: 200, body: isVoided}, payment.VerdictNotCharged, false},
		"too late":               {says{status: 409, body: succeeded}, payment.VerdictCharged, false},
		"created":                {says{status: 201, body: isVoided}, payment.VerdictUnknown, false},
		"no body":                {says{status: 200}, payment.VerdictUnknown, false},
		"no content":             {says{status: 204}, payment.VerdictUnknown, false},
		"of nobody":              {says{status: 200, body: `{"status":"voided"}`}, payment.VerdictUnknown, false},
		"of another":             {says{status: 200, body: `{"reference":"pay_other","status":"voided"}`}, payment.VerdictUnknown, true},
		"another status":         {says{status: 200, body: with(isVoided, "voided", "voiding")}, payment.VerdictUnknown, false},
		"a charge":               {says{status: 200, body: succeeded}, payment.VerdictUnknown, false},
		"twice the status":       {says{status: 200, body: with(isVoided, `"status"`, `"status":"x","status"`)}, payment.VerdictUnknown, false},
		"half":                   {says{status: 200, body: isVoided[:20]}, payment.VerdictUnknown, false},
		"too late for another":   {says{status: 409, body: with(succeeded, "%s", "pay_other")}, payment.VerdictUnknown, true},
		"too late, other amount": {says{status: 409, body: with(succeeded, "1999", "2000")}, payment.VerdictUnknown, true},
		"too late, not decided":  {says{status: 409, body: isPending}, payment.VerdictUnknown, false},
		"in progress":            {says{status: 409, body: `{"error":"in_progress"}`}, payment.VerdictUnknown, false},
		"not found":              {says{status: 404, body: `{"error":"not_found"}`}, payment.VerdictUnknown, false},
		"not allowed":            {says{status: 405, body: `{"error":"x"}`}, payment.VerdictUnknown, false},
		"busy":                   {says{status: 429, body: `{"error":"x"}`}, payment.VerdictUnknown, false},
		"an error":               {says{status: 500, body: isVoided}, payment.VerdictUnknown, false},
	} {
		t.Run(name, func(t *testing.T) {
			request := payertest.NewRequest(t)
			answer := voiding(t, request, c.says).Void(t.Context(), request.ID, request.Money)
			payertest.CheckAnswer(t, answer)
			if answer.Verdict != c.verdict || answer.Mismatch != c.mismatch {
				t.Errorf("verdict is %s, mismatch %v; want %s, %v (%+v)", answer.Verdict, answer.Mismatch, c.verdict, c.mismatch, answer)
			}
		})
	}
}

func TestVoid_isAskedForAsTheContractSays(t *testing.T) {
	var got string
	request := payertest.NewRequest(t)
	payer := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		got = fmt.Sprint(r.Method, " ", r.URL, " ", r.ContentLength, " ", r.Header.Get("Authorization"))
	}, httppayer.Config{Token: "psp_secret", Traits: &payment.Traits{CanVoid: true}})
	payer.Void(t.Context(), request.ID, request.Money)
	if want := "POST /voids?reference=" + string(request.ID) + " 0 Bearer psp_secret"; got != want {
		t.Errorf("sent %q, want %q", got, want)
	}
}

func TestVoid_isNotSentToAPayerThatTakesNothingBack(t *testing.T) {
	var sends atomic.Int64
	payer := serve(t, func(http.ResponseWriter, *http.Request) { sends.Add(1) }, httppayer.Config{})
	request := payertest.NewRequest(t)
	answer := payer.Void(t.Context(), request.ID, request.Money)
	if answer.Verdict != payment.VerdictUnknown || answer.Failure.Code != "payer_no_void" || sends.Load() != 0 {
		t.Errorf("answer is %s, %q after %d sends", answer.Verdict, answer.Failure.Code, sends.Load())
	}
}

// A payer may answer with what it took back by itself or for us.
func TestCharge_thatWasVoidedIsDeclined(t *testing.T) {
	request := payertest.NewRequest(t)
	payer := answering(t, request, says{status: 200, body: with(succeeded, "succeeded", "voided")})
	for _, answer := range []payment.Answer{
		payer.Charge(t.Context(), request), payer.Lookup(t.Context(), request.ID, request.Money),
	} {
		payertest.CheckAnswer(t, answer)
		if answer.Verdict != payment.VerdictDeclined || answer.Failure.Code != "voided" {
			t.Errorf("answer is %s, %q; want declined, voided", answer.Verdict, answer.Failure.Code)
		}
	}
}
