package httppayer_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/paybuf/paybuf/payment"
	"github.com/paybuf/paybuf/processor/payer/httppayer"
	"github.com/paybuf/paybuf/processor/payer/payertest"
)

// says is an answer of the payer; %s stands for the reference.
type says struct {
	status int
	body   string
	header map[string]string
}

const (
	jsonType   = "application/json"
	succeeded  = `{"id":"ch_7","reference":"%s","status":"succeeded","amount":1999,"currency":"EUR","decline_code":null}`
	isDeclined = `{"id":"ch_7","reference":"%s","status":"declined","amount":1999,"currency":"EUR","decline_code":"lost_card"}`
	isPending  = `{"id":"ch_7","reference":"%s","status":"pending","amount":1999,"currency":"EUR"}`
)

// with replaces one part of a text.
func with(text, old, changed string) string { return strings.Replace(text, old, changed, 1) }

func retryIn(text string) map[string]string { return map[string]string{"Retry-After": text} }

func serve(t *testing.T, handler http.HandlerFunc, cfg httppayer.Config) *httppayer.Payer {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return dial(t, server.URL, cfg)
}

func dial(t *testing.T, baseURL string, cfg httppayer.Config) *httppayer.Payer {
	t.Helper()
	payer, err := httppayer.New(baseURL, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(payer.Close)
	return payer
}

// answering gives a payer that always answers the same about a request.
func answering(t *testing.T, request payment.Request, answer says) *httppayer.Payer {
	t.Helper()
	return serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", jsonType)
		for name, value := range answer.header {
			w.Header().Set(name, value)
		}
		w.WriteHeader(answer.status)
		_, _ = fmt.Fprint(w, strings.ReplaceAll(answer.body, "%s", string(request.ID)))
	}, httppayer.Config{})
}

func TestCharge_claimsNoMoreThanTheAnswerProves(t *testing.T) {
	for name, c := range map[string]struct {
		says
		verdict  payment.Verdict
		mismatch bool
	}{
		"succeeded":              {says{status: 200, body: succeeded}, payment.VerdictCharged, false},
		"created":                {says{status: 201, body: succeeded}, payment.VerdictCharged, false},
		"pending":                {says{status: 201, body: isPending}, payment.VerdictPending, false},
		"declined with 200":      {says{status: 200, body: isDeclined}, payment.VerdictDeclined, false},
		"declined with 402":      {says{status: 402, body: isDeclined}, payment.VerdictDeclined, false},
		"402 and no body":        {says{status: 402}, payment.VerdictDeclined, false},
		"402 and only a code":    {says{status: 402, body: `{"decline_code":"lost_card"}`}, payment.VerdictDeclined, false},
		"members we do not know": {says{status: 200, body: with(succeeded, "{", `{"fee":{"amount":3},`)}, payment.VerdictCharged, false},
		"429":                    {says{status: 429}, payment.VerdictNotCharged, false},
		"503, come back at once": {says{status: 503, header: retryIn("0")}, payment.VerdictNotCharged, false},
		"503 until a date":       {says{status: 503, header: retryIn("Wed, 21 Oct 2015 07:28:00 GMT")}, payment.VerdictNotCharged, false},

		"503, no word of coming back": {says{status: 503}, payment.VerdictUnknown, false},
		"503, come back soon":         {says{status: 503, header: retryIn("soon")}, payment.VerdictUnknown, false},
		"accepted":                    {says{status: 202, body: succeeded}, payment.VerdictUnknown, false},
		"in progress":                 {says{status: 409, body: `{"error":"key_in_progress"}`}, payment.VerdictUnknown, false},
		"key reused":                  {says{status: 422, body: `{"error":"key_reused"}`}, payment.VerdictUnknown, false},
		"not authorised":              {says{status: 401}, payment.VerdictUnknown, false},
		"not found":                   {says{status: 404, body: `{"error":"not_found"}`}, payment.VerdictUnknown, false},
		"500 that says succeeded":     {says{status: 500, body: succeeded}, payment.VerdictUnknown, false},
		"402 that says succeeded":     {says{status: 402, body: succeeded}, payment.VerdictUnknown, false},
		"402 page":                    {says{status: 402, body: `<html>pay your bill</html>`}, payment.VerdictUnknown, false},
		"another status":              {says{status: 200, body: with(succeeded, "succeeded", "refunded")}, payment.VerdictUnknown, false},
		"no body":                     {says{status: 200}, payment.VerdictUnknown, false},
		"null":                        {says{status: 200, body: `null`}, payment.VerdictUnknown, false},
		"an array":                    {says{status: 200, body: "[" + succeeded + "]"}, payment.VerdictUnknown, false},
		"two objects":                 {says{status: 200, body: succeeded + succeeded}, payment.VerdictUnknown, false},
		"half an object":              {says{status: 200, body: succeeded[:60]}, payment.VerdictUnknown, false},
		"two statuses":                {says{status: 200, body: with(succeeded, "{", `{"status":"declined",`)}, payment.VerdictUnknown, false},
		"a member in capitals":        {says{status: 200, body: with(succeeded, "status", "Status")}, payment.VerdictUnknown, false},
		"no id":                       {says{status: 200, body: with(succeeded, "ch_7", "")}, payment.VerdictUnknown, false},
		"an id too long":              {says{status: 200, body: with(succeeded, "ch_7", strings.Repeat("7", 256))}, payment.VerdictUnknown, false},
		"no reference":                {says{status: 200, body: with(succeeded, `"reference"`, `"ref"`)}, payment.VerdictUnknown, false},
		"no amount":                   {says{status: 200, body: with(succeeded, `"amount"`, `"sum"`)}, payment.VerdictUnknown, false},
		"amount null":                 {says{status: 200, body: with(succeeded, "1999", "null")}, payment.VerdictUnknown, false},
		"amount a text":               {says{status: 200, body: with(succeeded, "1999", `"1999"`)}, payment.VerdictUnknown, false},
		"amount a fraction":           {says{status: 200, body: with(succeeded, "1999", "1999.0")}, payment.VerdictUnknown, false},
		"no currency":                 {says{status: 200, body: with(succeeded, `"EUR"`, `null`)}, payment.VerdictUnknown, false},

		"another amount":              {says{status: 200, body: with(succeeded, "1999", "2000")}, payment.VerdictUnknown, true},
		"a negative amount":           {says{status: 200, body: with(succeeded, "1999", "-1999")}, payment.VerdictUnknown, true},
		"another currency":            {says{status: 200, body: with(succeeded, "EUR", "USD")}, payment.VerdictUnknown, true},
		"currency in small letters":   {says{status: 200, body: with(succeeded, "EUR", "eur")}, payment.VerdictUnknown, true},
		"another reference":           {says{status: 201, body: with(succeeded, "%s", "pay_other")}, payment.VerdictUnknown, true},
		"another pending":             {says{status: 200, body: with(isPending, "1999", "1")}, payment.VerdictUnknown, true},
		"another is declined":         {says{status: 200, body: with(isDeclined, "%s", "pay_other")}, payment.VerdictUnknown, true},
		"another is declined by 402":  {says{status: 402, body: with(isDeclined, "%s", "pay_other")}, payment.VerdictUnknown, true},
		"declined for another amount": {says{status: 402, body: `{"amount":5}`}, payment.VerdictUnknown, true},
	} {
		t.Run(name, func(t *testing.T) {
			request := payertest.NewRequest(t)
			answer := answering(t, request, c.says).Charge(t.Context(), request)
			payertest.CheckAnswer(t, answer)
			if answer.Verdict != c.verdict || answer.Mismatch != c.mismatch {
				t.Errorf("answer is %s, mismatch %v; want %s, %v", answer.Verdict, answer.Mismatch, c.verdict, c.mismatch)
			}
			if answer.Evidence.HTTPStatus != c.status {
				t.Errorf("evidence has status %d, want %d", answer.Evidence.HTTPStatus, c.status)
			}
			if c.mismatch && answer.PayerReference != "" {
				t.Errorf("another's reference %q was taken over", answer.PayerReference)
			}
		})
	}
}

func TestLookup_claimsNoMoreThanTheAnswerProves(t *testing.T) {
	html := map[string]string{"Content-Type": "text/html"}
	for name, c := range map[string]struct {
		says
		verdict  payment.Verdict
		mismatch bool
	}{
		"succeeded":              {says{status: 200, body: succeeded}, payment.VerdictCharged, false},
		"declined":               {says{status: 200, body: isDeclined}, payment.VerdictDeclined, false},
		"pending":                {says{status: 200, body: isPending}, payment.VerdictPending, false},
		"the payer's 404":        {says{status: 404, body: `{"error":"not_found"}`}, payment.VerdictNotFound, false},
		"the payer's 404, coded": {says{status: 404, body: `{"code":"unknown_reference"}`}, payment.VerdictNotFound, false},
		"a problem document": {says{status: 404, body: `{"code":"unknown_reference"}`,
			header: map[string]string{"Content-Type": "application/problem+json; charset=utf-8"}}, payment.VerdictNotFound, false},
		"the payer's 404 for us": {says{status: 404, body: `{"error":"not_found","reference":"%s"}`}, payment.VerdictNotFound, false},

		"404 for another":       {says{status: 404, body: `{"error":"not_found","reference":"pay_x"}`}, payment.VerdictUnknown, true},
		"another amount":        {says{status: 200, body: with(succeeded, "1999", "1")}, payment.VerdictUnknown, true},
		"a proxy's 404":         {says{status: 404, body: `<h1>Not Found</h1>`, header: html}, payment.VerdictUnknown, false},
		"JSON called HTML":      {says{status: 404, body: `{"error":"not_found"}`, header: html}, payment.VerdictUnknown, false},
		"404 without a body":    {says{status: 404}, payment.VerdictUnknown, false},
		"404 without an error":  {says{status: 404, body: `{"detail":"no such route"}`}, payment.VerdictUnknown, false},
		"404 with a null error": {says{status: 404, body: `{"error":null}`}, payment.VerdictUnknown, false},
		"404 with an object":    {says{status: 404, body: `{"error":{}}`}, payment.VerdictUnknown, false},
		"gone":                  {says{status: 410, body: `{"error":"gone"}`}, payment.VerdictUnknown, false},
		"created":               {says{status: 201, body: succeeded}, payment.VerdictUnknown, false},
		"402":                   {says{status: 402, body: isDeclined}, payment.VerdictUnknown, false},
		"429":                   {says{status: 429, header: retryIn("3")}, payment.VerdictUnknown, false},
		"503":                   {says{status: 503, header: retryIn("3")}, payment.VerdictUnknown, false},
		"500":                   {says{status: 500}, payment.VerdictUnknown, false},
	} {
		t.Run(name, func(t *testing.T) {
			request := payertest.NewRequest(t)
			answer := answering(t, request, c.says).Lookup(t.Context(), request.ID, request.Money)
			payertest.CheckAnswer(t, answer)
			if answer.Verdict != c.verdict || answer.Mismatch != c.mismatch {
				t.Errorf("answer is %s, mismatch %v; want %s, %v", answer.Verdict, answer.Mismatch, c.verdict, c.mismatch)
			}
		})
	}
}

func TestCharge_showsATenantOnlyASafeDeclineCode(t *testing.T) {
	for given, want := range map[string]string{
		"insufficient_funds":      "insufficient_funds",
		"card.declined-51":        "card.declined-51",
		"":                        "declined",
		"<script>alert(1)":        "declined",
		"expired card":            "declined",
		"4111111111111111":        "declined",
		strings.Repeat("long", 9): strings.Repeat("long", 9),
		strings.Repeat("x", 65):   "declined",
	} {
		request := payertest.NewRequest(t)
		payer := answering(t, request, says{status: 402, body: with(isDeclined, "lost_card", given)})
		if got := payer.Charge(t.Context(), request).Failure.Code; got != want {
			t.Errorf("decline code %q became %q, want %q", given, got, want)
		}
	}
}

func TestCharge_waitsAsLongAsThePayerAsks(t *testing.T) {
	inAMinute := time.Now().Add(time.Minute).UTC().Format(http.TimeFormat)
	for text, bounds := range map[string][2]time.Duration{
		"0":                             {0, 0},
		"7":                             {7 * time.Second, 7 * time.Second},
		"99999999999":                   {24 * time.Hour, 24 * time.Hour},
		"-1":                            {0, 0},
		"Wed, 21 Oct 2015 07:28:00 GMT": {0, 0},
		inAMinute:                       {50 * time.Second, time.Minute},
	} {
		request := payertest.NewRequest(t)
		payer := answering(t, request, says{status: 429, header: retryIn(text)})
		got := payer.Charge(t.Context(), request).RetryAfter
		if got < bounds[0] || got > bounds[1] {
			t.Errorf("Retry-After %q became %s, want %s to %s", text, got, bounds[0], bounds[1])
		}
	}
}
