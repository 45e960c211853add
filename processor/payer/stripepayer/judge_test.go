package stripepayer_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/paybuf/paybuf/payment"
	"github.com/paybuf/paybuf/processor/payer/payertest"
	"github.com/paybuf/paybuf/processor/payer/stripepayer"
)

// says is an answer of Stripe; %s stands for the payment id.
type says struct {
	status int
	body   string
	header map[string]string
}

const (
	paid = `{"id":"pi_1","object":"payment_intent","status":"succeeded","amount":1999,"amount_received":1999,` +
		`"currency":"eur","metadata":{"paybuf_id":"%s"},"last_payment_error":null}`
	refused = `{"type":"card_error","code":"card_declined","decline_code":"insufficient_funds"}`
)

// unpaid is an intent that nothing was received for.
func unpaid(status, lastError string) string {
	return with(with(with(paid, "succeeded", status), `"amount_received":1999`, `"amount_received":0`),
		`"last_payment_error":null`, `"last_payment_error":`+lastError)
}

// erring is Stripe's error, with an intent unless it is "".
func erring(kind, code, intent string) string {
	text := `{"error":{"type":"` + kind + `","code":"` + code + `","decline_code":"insufficient_funds","message":"m"`
	if intent != "" {
		text += `,"payment_intent":` + intent
	}
	return text + `}}`
}

func with(text, old, changed string) string { return strings.Replace(text, old, changed, 1) }

func shouldRetry(text string) map[string]string {
	return map[string]string{"Stripe-Should-Retry": text}
}

// answering gives an adapter of a server that answers every request the same.
func answering(t *testing.T, request payment.Request, answer says) *stripepayer.Payer {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		for name, value := range answer.header {
			w.Header().Set(name, value)
		}
		w.WriteHeader(answer.status)
		_, _ = fmt.Fprint(w, strings.ReplaceAll(answer.body, "%s", string(request.ID))) // the client may have left
	}))
	t.Cleanup(server.Close)
	return dial(t, server.URL)
}

func TestCharge_claimsNoMoreThanTheAnswerProves(t *testing.T) {
	declined := unpaid("requires_payment_method", refused)
	for name, c := range map[string]struct {
		says
		verdict  payment.Verdict
		mismatch bool
	}{
		"succeeded":               {says{status: 200, body: paid}, payment.VerdictCharged, false},
		"processing":              {says{status: 200, body: unpaid("processing", "null")}, payment.VerdictPending, false},
		"canceled":                {says{status: 200, body: unpaid("canceled", "null")}, payment.VerdictDeclined, false},
		"failed, with 200":        {says{status: 200, body: declined}, payment.VerdictDeclined, false},
		"about to be confirmed":   {says{status: 200, body: unpaid("requires_payment_method", "null")}, payment.VerdictUnknown, false},
		"requires action":         {says{status: 200, body: unpaid("requires_action", "null")}, payment.VerdictUnknown, false},
		"requires confirmation":   {says{status: 200, body: unpaid("requires_confirmation", "null")}, payment.VerdictUnknown, false},
		"requires capture":        {says{status: 200, body: unpaid("requires_capture", "null")}, payment.VerdictUnknown, false},
		"a status of tomorrow":    {says{status: 200, body: unpaid("settling", "null")}, payment.VerdictUnknown, false},
		"received less":           {says{status: 200, body: with(paid, `received":1999`, `received":1998`)}, payment.VerdictUnknown, true},
		"received nothing":        {says{status: 200, body: with(paid, `received":1999`, `received":0`)}, payment.VerdictUnknown, true},
		"canceled, but received":  {says{status: 200, body: with(paid, "succeeded", "canceled")}, payment.VerdictUnknown, false},
		"failed, but received":    {says{status: 200, body: with(declined, `received":0`, `received":1`)}, payment.VerdictUnknown, false},
		"another amount":          {says{status: 200, body: with(paid, `"amount":1999`, `"amount":2000`)}, payment.VerdictUnknown, true},
		"another currency":        {says{status: 200, body: with(paid, "eur", "usd")}, payment.VerdictUnknown, true},
		"another payment":         {says{status: 200, body: with(paid, "%s", "pay_other")}, payment.VerdictUnknown, true},
		"nobody's":                {says{status: 200, body: with(paid, `"paybuf_id":"%s"`, "")}, payment.VerdictUnknown, false},
		"no id":                   {says{status: 200, body: with(paid, "pi_1", "")}, payment.VerdictUnknown, false},
		"another object":          {says{status: 200, body: with(paid, "payment_intent", "charge")}, payment.VerdictUnknown, false},
		"two statuses":            {says{status: 200, body: with(paid, `"status"`, `"status":"canceled","status"`)}, payment.VerdictUnknown, false},
		"created":                 {says{status: 201, body: paid}, payment.VerdictUnknown, false},
		"an error with 200":       {says{status: 200, body: erring("card_error", "card_declined", declined)}, payment.VerdictUnknown, false},
		"declined":                {says{status: 402, body: erring("card_error", "card_declined", declined)}, payment.VerdictDeclined, false},
		"declined, error only":    {says{status: 402, body: erring("card_error", "authentication_required", unpaid("requires_payment_method", "null"))}, payment.VerdictDeclined, false},
		"declined, canceled":      {says{status: 402, body: erring("card_error", "card_declined", unpaid("canceled", refused))}, payment.VerdictDeclined, false},
		"declined, no intent":     {says{status: 402, body: erring("card_error", "card_declined", "")}, payment.VerdictUnknown, false},
		"declined, yet paid":      {says{status: 402, body: erring("card_error", "card_declined", paid)}, payment.VerdictUnknown, false},
		"declined, needs action":  {says{status: 402, body: erring("card_error", "x", unpaid("requires_action", refused))}, payment.VerdictUnknown, false},
		"declined, another's":     {says{status: 402, body: erring("card_error", "card_declined", with(declined, "%s", "pay_other"))}, payment.VerdictUnknown, true},
		"refused with the intent": {says{status: 400, body: erring("invalid_request_error", "x", declined)}, payment.VerdictDeclined, false},
		"amount too small":        {says{status: 400, body: erring("invalid_request_error", "amount_too_small", "")}, payment.VerdictDeclined, false},
		"no such payment method":  {says{status: 400, body: `{"error":{"type":"invalid_request_error","code":"resource_missing","param":"payment_method"}}`}, payment.VerdictDeclined, false},
		"no such customer":        {says{status: 400, body: `{"error":{"type":"invalid_request_error","code":"resource_missing","param":"customer"}}`}, payment.VerdictUnknown, false},
		"another bad request":     {says{status: 400, body: erring("invalid_request_error", "payment_method_unexpected_state", "")}, payment.VerdictUnknown, false},
		"too small, says a 500":   {says{status: 500, body: erring("invalid_request_error", "amount_too_small", "")}, payment.VerdictUnknown, false},
		"key, other parameters":   {says{status: 400, body: erring("idempotency_error", "", "")}, payment.VerdictUnknown, true},
		"key in use":              {says{status: 409, body: erring("idempotency_error", "idempotency_key_in_use", "")}, payment.VerdictUnknown, false},
		"key in use, as it was":   {says{status: 409, body: erring("invalid_request_error", "idempotency_key_in_use", ""), header: shouldRetry("true")}, payment.VerdictUnknown, false},
		"rate limit":              {says{status: 429, body: erring("invalid_request_error", "rate_limit", "")}, payment.VerdictNotCharged, false},
		"too many, retry":         {says{status: 429, body: erring("invalid_request_error", "x", ""), header: shouldRetry("true")}, payment.VerdictNotCharged, false},
		"too many, do not retry":  {says{status: 429, body: erring("invalid_request_error", "x", ""), header: shouldRetry("false")}, payment.VerdictUnknown, false},
		"lock time-out":           {says{status: 429, body: erring("invalid_request_error", "lock_timeout", ""), header: shouldRetry("true")}, payment.VerdictUnknown, false},
		"a proxy's 429":           {says{status: 429, body: "<p>slow down</p>", header: shouldRetry("true")}, payment.VerdictUnknown, false},
		"wrong key":               {says{status: 401, body: erring("invalid_request_error", "", "")}, payment.VerdictNotCharged, false},
		"key without the right":   {says{status: 403, body: erring("invalid_request_error", "", "")}, payment.VerdictNotCharged, false},
		"a proxy's 403":           {says{status: 403, body: `{"message":"forbidden"}`}, payment.VerdictUnknown, false},
		"an error":                {says{status: 500, body: erring("api_error", "", "")}, payment.VerdictUnknown, false},
		"an error, retry":         {says{status: 500, body: erring("api_error", "", ""), header: shouldRetry("true")}, payment.VerdictUnknown, false},
		"unavailable":             {says{status: 503, body: erring("api_error", "", ""), header: map[string]string{"Retry-After": "1"}}, payment.VerdictUnknown, false},
		"an error with a decline": {says{status: 500, body: erring("card_error", "card_declined", declined)}, payment.VerdictUnknown, false},
	} {
		t.Run(name, func(t *testing.T) {
			request := payertest.NewRequest(t)
			answer := answering(t, request, c.says).Charge(t.Context(), request)
			payertest.CheckAnswer(t, answer)
			if answer.Verdict != c.verdict || answer.Mismatch != c.mismatch {
				t.Errorf("verdict is %s, mismatch %v; want %s, %v (%+v)", answer.Verdict, answer.Mismatch, c.verdict, c.mismatch, answer)
			}
		})
	}
}

func TestCharge_tellsTheIssuersReason(t *testing.T) {
	for code, intent := range map[string]string{
		"insufficient_funds": unpaid("requires_payment_method", refused),
		"expired_card":       unpaid("requires_payment_method", `{"type":"card_error","code":"expired_card"}`),
		"canceled":           unpaid("canceled", "null"),
	} {
		request := payertest.NewRequest(t)
		answer := answering(t, request, says{status: 200, body: intent}).Charge(t.Context(), request)
		if answer.Failure.Code != code || answer.PayerReference != "pi_1" {
			t.Errorf("failure is %+v of %q, want %s of pi_1", answer.Failure, answer.PayerReference, code)
		}
	}
}

// Two intents of one payment that both took money are found out, whoever made the
// mistake; one beside a failed one is the payment's charge.
func TestLookup_twoChargesAreAnAlarm(t *testing.T) {
	for name, c := range map[string]struct {
		second  string
		verdict payment.Verdict
		alarm   bool
	}{
		"two paid":       {paid, payment.VerdictUnknown, true},
		"one failed":     {unpaid("requires_payment_method", refused), payment.VerdictCharged, false},
		"one unreadable": {`{"object":"payment_intent"}`, payment.VerdictCharged, false},
	} {
		t.Run(name, func(t *testing.T) {
			request := payertest.NewRequest(t)
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				body := map[string]string{
					"/v1/payment_intents/search": `{"object":"search_result","has_more":false,"data":[{"id":"pi_2"},{"id":"pi_1"}]}`,
					"/v1/payment_intents/pi_1":   paid,
					"/v1/payment_intents/pi_2":   with(c.second, "pi_1", "pi_2"),
				}[r.URL.Path]
				_, _ = fmt.Fprint(w, strings.ReplaceAll(body, "%s", string(request.ID)))
			}))
			t.Cleanup(server.Close)
			answer := dial(t, server.URL).Lookup(t.Context(), request.ID, request.Money)
			payertest.CheckAnswer(t, answer)
			if answer.Verdict != c.verdict || answer.Mismatch != c.alarm {
				t.Errorf("answer is %+v, want %s, mismatch %v", answer, c.verdict, c.alarm)
			}
		})
	}
}

// A search that found the intent and could not read it has found something.
func TestLookup_whatCannotBeReadIsNotMissing(t *testing.T) {
	for _, status := range []int{401, 404, 429, 500} {
		request := payertest.NewRequest(t)
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if strings.HasSuffix(r.URL.Path, "/search") {
				_, _ = fmt.Fprint(w, `{"object":"search_result","has_more":false,"data":[{"id":"pi_1"}]}`)
				return
			}
			w.WriteHeader(status)
			_, _ = fmt.Fprint(w, erring("invalid_request_error", "resource_missing", ""))
		}))
		answer := dial(t, server.URL).Lookup(t.Context(), request.ID, request.Money)
		server.Close()
		if answer.Verdict != payment.VerdictUnknown {
			t.Errorf("with %d the answer is %s, want unknown", status, answer.Verdict)
		}
	}
}
