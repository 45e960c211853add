package ingest_test

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/paybuf/paybuf/ingest"
	"github.com/paybuf/paybuf/payment"
)

// FuzzPost checks what holds for every body: an answer of the contract, which
// repeats no card number, and nothing kept that is not what was sent.
func FuzzPost(f *testing.F) {
	for _, body := range []string{
		valid, "", "null", "[]", "{", `{}`, valid + valid, "\xef\xbb\xbf{}", "\xff",
		with(`"amount":1e3`), with(`"amount":-100000000000000000000`), with(`"Amount":1`),
		with(`"metadata":{"a":"1","a":2,"~/":null}`), with(`"x":[[[[{"y":"\ud83d\ude00"}]]]]`),
		with(`"customer":` + card), with(`"` + card + `":1`), with(`"metadata":{"` + card + `":"\u0034"}`),
		with(`"retry_of":"pay_aaaaaaaaaaaaaaaaaaaaaaaaaa"`), with(`"not_before":"2026-11-21T10:00:00+01:00"`), with(`"retry_of":"` + card + `"`),
		withToken(f, `"payment_method":"tok"`), strings.Replace(valid, "order_number", "payment_token", 1),
		with(`"x":"4242 4242\t42424242"`), with(`"amount":4242424242424.242`), strings.Repeat("[", 100),
	} {
		f.Add([]byte(body))
	}
	key := idKey(f)
	f.Fuzz(func(t *testing.T, body []byte) {
		kept := &store{kept: map[payment.ID]payment.Request{}}
		request := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/v1/payments", strings.NewReader(string(body)))
		request.Header.Set("Authorization", "Bearer acme")
		request.Header.Set("Content-Type", "application/json")
		recorder := httptest.NewRecorder()
		newRouter(t, kept, ingest.Config{}).ServeHTTP(recorder, request)

		got := answer{recorder.Code, recorder.Header(), recorder.Body.String()}
		if got.status == http.StatusAccepted {
			checkAccepted(t, got, kept, body, key)
			return
		}
		checkRefused(t, got, kept, body)
	})
}

func checkAccepted(t *testing.T, got answer, kept *store, body []byte, key payment.IDKey) {
	t.Helper()
	var sent struct {
		OrderNumber   string            `json:"order_number"`
		Amount        int64             `json:"amount"`
		Currency      string            `json:"currency"`
		PaymentMethod string            `json:"payment_method"`
		Customer      string            `json:"customer"`
		Description   string            `json:"description"`
		Metadata      map[string]string `json:"metadata"`
		RetryOf       payment.ID        `json:"retry_of"`
		NotBefore     time.Time         `json:"not_before"`
		PaymentToken  string            `json:"payment_token"`
	}
	if err := json.Unmarshal(body, &sent, json.RejectUnknownMembers(true)); err != nil {
		t.Fatalf("%q was accepted, but: %v", body, err)
	}
	if sent.PaymentToken != "" {
		token, err := key.ReadToken("acme", sent.PaymentToken)
		if err != nil || sent.OrderNumber != "" || token.Money.Minor() != sent.Amount || token.Money.Currency() != sent.Currency {
			t.Fatalf("%q was accepted with the token %+v, %v", body, token, err)
		}
		sent.OrderNumber = token.OrderNumber()
	}
	all := kept.all()
	if len(all) != 1 || all[0].ID != key.Derive("acme", sent.OrderNumber, sent.RetryOf) ||
		!all[0].NotBefore.Equal(sent.NotBefore.Truncate(time.Millisecond)) ||
		all[0].Money.Minor() != sent.Amount || all[0].Money.Currency() != sent.Currency ||
		all[0].PaymentMethod != sent.PaymentMethod || holdsCard(body) {
		t.Fatalf("%q became %+v", body, all)
	}
	if payment.ContainsCardNumber(got.body) {
		t.Fatalf("%q: a card number is repeated: %s", body, got.body)
	}
}

func checkRefused(t *testing.T, got answer, kept *store, body []byte) {
	t.Helper()
	if len(kept.all()) > 0 {
		t.Fatalf("%q was refused with %d and kept", body, got.status)
	}
	codes := map[int][]payment.Code{
		400: {payment.CodeMalformed}, 413: {payment.CodeTooLarge}, 410: {payment.CodeTokenExpired},
		422: {payment.CodeInvalid, payment.CodeCardNumber, payment.CodeTokenInvalid},
	}
	var problem details
	if err := json.Unmarshal([]byte(got.body), &problem); err != nil {
		t.Fatalf("%q: the problem %s cannot be read: %v", body, got.body, err)
	}
	if !slices.Contains(codes[got.status], payment.Code(problem.Code)) {
		t.Fatalf("%q: got %d %s", body, got.status, got.body)
	}
	if holdsCard(body) && got.status != 413 && problem.Code != string(payment.CodeCardNumber) {
		t.Fatalf("%q: the card number was not noticed: %d %s", body, got.status, got.body)
	}
	if got.status == 422 && len(problem.Errors) == 0 {
		t.Fatalf("%q: refused for nothing: %s", body, got.body)
	}
	byPointer := func(a, b problemField) int { return strings.Compare(a.Pointer, b.Pointer) }
	if !slices.IsSortedFunc(problem.Errors, byPointer) {
		t.Fatalf("%q: not sorted: %s", body, got.body)
	}
	for i, field := range problem.Errors {
		if i > 0 && field.Pointer == problem.Errors[i-1].Pointer {
			t.Fatalf("%q: %q is named twice", body, field.Pointer)
		}
		if name := unescape(field.Pointer); payment.ContainsCardNumber(name) || payment.ContainsCardNumber(field.Detail) {
			t.Fatalf("%q: a card number is repeated: %q", body, field)
		}
	}
	if payment.ContainsCardNumber(problem.Detail) {
		t.Fatalf("%q: a card number is repeated: %q", body, problem.Detail)
	}
}

// holdsCard tells whether a name, text or number of a JSON document is a card
// number. It reads no further than a document is nested and is JSON.
func holdsCard(body []byte) bool {
	decoder := jsontext.NewDecoder(bytes.NewReader(body), jsontext.AllowDuplicateNames(true))
	for {
		token, err := decoder.ReadToken()
		if err != nil || decoder.StackDepth() > 16 {
			return false
		}
		if kind := token.Kind(); (kind == '"' || kind == '0') && payment.ContainsCardNumber(token.String()) {
			return true
		}
	}
}

// unescape undoes RFC 6901, section 3, whose digits are not the client's.
func unescape(pointer string) string {
	return strings.NewReplacer("~1", "/", "~0", "~").Replace(pointer)
}
