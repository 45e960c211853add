package httppayer_test

import (
	"net/http"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/paybuf/paybuf/payment"
	"github.com/paybuf/paybuf/processor/payer/httppayer"
	"github.com/paybuf/paybuf/processor/payer/payertest"
)

// evidenceOf charges with a payment method and gives what is kept of an answer.
func evidenceOf(t *testing.T, paymentMethod string, answer says) payment.Evidence {
	t.Helper()
	request := payertest.NewRequest(t)
	request.PaymentMethod = paymentMethod
	got := answering(t, request, answer).Charge(t.Context(), request)
	payertest.CheckAnswer(t, got)
	return got.Evidence
}

func TestEvidence_hidesThePaymentMethodHoweverItIsWritten(t *testing.T) {
	for name, c := range map[string]struct{ method, body string }{
		"plain":            {"tok_visa", `{"payment_method":"tok_visa","error":"x"}`},
		"in a page":        {"tok_visa", `<p>tok_visa is no card</p>`},
		"twice":            {"tok_visa", `tok_visa tok_visa`},
		"slashes escaped":  {"tok/visa", `{"payment_method":"tok\/visa"}`},
		"escaped by code":  {"tok<é>", `{"payment_method":"tok\u003c\u00e9\u003e"}`},
		"escaped in pairs": {"tok😀", `{"payment_method":"tok\ud83d\ude00"}`},
		"a quote":          {`tok"visa`, `{"payment_method":"tok\"visa"}`},
		"a quote by code":  {`tok"visa`, `{"payment_method":"tok\u0022visa"}`},
		"half an answer":   {"tok/visa", `{"payment_method":"tok\/visa","err`},
		"over the edge":    {strings.Repeat("t", 255), strings.Repeat("-", 400) + strings.Repeat("t", 255)},
	} {
		t.Run(name, func(t *testing.T) {
			excerpt := evidenceOf(t, c.method, says{status: 500, body: c.body}).Excerpt
			plain := strings.NewReplacer(`\`, "").Replace(excerpt)
			if strings.Contains(plain, c.method) || strings.Contains(plain, "ttttt") {
				t.Errorf("the payment method is in %q", excerpt)
			}
			if !strings.Contains(excerpt, "[hidden]") {
				t.Errorf("nothing is hidden in %q", excerpt)
			}
		})
	}
}

func TestEvidence_hidesCardNumbersAndTheToken(t *testing.T) {
	excerpt := evidenceOf(t, "tok_visa", says{status: 500, body: `{"card":"4111 1111-1111 1111","try":7}`}).Excerpt
	if strings.ContainsAny(excerpt, "0123456789") {
		t.Errorf("the digits of a card are in %q", excerpt)
	}
	payer := serve(t, func(w http.ResponseWriter, r *http.Request) {
		http.Error(w, "who is "+r.Header.Get("Authorization"), http.StatusUnauthorized)
	}, httppayer.Config{Token: "psp_secret"})
	request := payertest.NewRequest(t)
	for _, answer := range []payment.Answer{
		payer.Charge(t.Context(), request), payer.Lookup(t.Context(), request.ID, request.Money),
	} {
		if strings.Contains(answer.Evidence.Excerpt, "psp_secret") {
			t.Errorf("the token is in %q", answer.Evidence.Excerpt)
		}
	}
}

func TestEvidence_ofALookupShowsOnlyWhatTheContractNames(t *testing.T) {
	request := payertest.NewRequest(t)
	for body, want := range map[string]string{
		`{"id":"ch_7","status":"odd","amount":1999,"note":"` + payertest.PaymentMethod + `","card":{"x":"y"},"ok":true}`: `{"amount":1999,"card":"[hidden]","id":"ch_7","note":"[hidden]","ok":true,"status":"odd"}`,
		`<p>` + payertest.PaymentMethod + `</p>`: "27 bytes that are no JSON object",
		``:                                       "",
	} {
		answer := answering(t, request, says{status: 500, body: body}).Lookup(t.Context(), request.ID, request.Money)
		payertest.CheckAnswer(t, answer)
		if answer.Evidence.Excerpt != want {
			t.Errorf("excerpt is %q, want %q", answer.Evidence.Excerpt, want)
		}
	}
}

func TestEvidence_isShortAndPrintable(t *testing.T) {
	for _, body := range []string{
		strings.Repeat("é", 400),
		strings.Repeat("x", 499) + "é",
		"\x00\x1b[31m\r\n\t\u202e\u2028\ufeff\xff\xfe",
		strings.Repeat("\xf0\x9f\x98", 600),
	} {
		excerpt := evidenceOf(t, "tok_visa", says{status: 500, body: body}).Excerpt
		if excerpt == "" || len(excerpt) > payment.EvidenceBytesMax || !utf8.ValidString(excerpt) {
			t.Errorf("excerpt of %d bytes: %q", len(excerpt), excerpt)
		}
	}
}

func TestEvidence_namesTheExchange(t *testing.T) {
	for _, c := range []struct {
		header map[string]string
		want   string
	}{
		{map[string]string{"Request-Id": "req_1", "X-Request-Id": "req_2"}, "req_1"},
		{map[string]string{"X-Request-Id": "req_2"}, "req_2"},
		{map[string]string{"Request-Id": "two words", "X-Request-Id": "req_2"}, "req_2"},
		{map[string]string{"Request-Id": strings.Repeat("x", 129)}, ""},
		{nil, ""},
	} {
		if got := evidenceOf(t, "tok_visa", says{status: 500, header: c.header}).RequestID; got != c.want {
			t.Errorf("with %v the request id is %q, want %q", c.header, got, c.want)
		}
	}
}

func TestEvidence_ofALostAnswerIsItsCause(t *testing.T) {
	payer := dial(t, "http://127.0.0.1:1", httppayer.Config{})
	answer := payer.Charge(t.Context(), payertest.NewRequest(t))
	if answer.Evidence.HTTPStatus != 0 || !strings.Contains(answer.Evidence.Excerpt, "connection refused") {
		t.Errorf("evidence is %+v", answer.Evidence)
	}
	if answer.Failure.Code != "payer_unreachable" {
		t.Errorf("failure is %+v", answer.Failure)
	}
}
