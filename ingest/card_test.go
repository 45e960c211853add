package ingest_test

import (
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/paybuf/paybuf/ingest"
	"github.com/paybuf/paybuf/internal/problem"
	"github.com/paybuf/paybuf/payment"
)

const card = "4242424242424242" // the test number that every payer publishes

func TestPost_aCardNumberIsRefusedWhereverItIsAndNeverRepeated(t *testing.T) {
	service := serve(t, ingest.Config{})
	const refused = "must not contain a card number"
	for name, test := range map[string]struct{ body, pointer, detail string }{
		"payment method":       {with(`"payment_method":"` + card + `"`), "/payment_method", refused},
		"grouped":              {with(`"payment_method":"4242 4242-4242 4242"`), "/payment_method", refused},
		"escaped":              {with(`"payment_method":"\u0034242\u00204242 42424242"`), "/payment_method", refused},
		"in a sentence":        {with(`"description":"card ` + card + `, exp 12/30"`), "/description", refused},
		"order number":         {with(`"order_number":"` + card + `"`), "/order_number", refused},
		"currency":             {with(`"currency":"` + card + `"`), "/currency", refused},
		"customer as a number": {with(`"customer":` + card), "/customer", refused},
		"method as a number":   {with(`"payment_method":` + card), "/payment_method", refused},
		"negative number":      {with(`"customer":-` + card), "/customer", refused},
		"amount":               {with(`"amount":` + card), "/amount", refused},
		"decimal amount":       {with(`"amount":` + card + `.0`), "/amount", refused},
		"amount as text":       {with(`"amount":"` + card + `"`), "/amount", refused},
		"metadata value":       {with(`"metadata":{"pan":"` + card + `"}`), "/metadata/pan", refused},
		"metadata number":      {with(`"metadata":{"pan":` + card + `}`), "/metadata/pan", refused},
		"metadata nested":      {with(`"metadata":{"a":[{"b":"` + card + `"}]}`), "/metadata/a", refused},
		"metadata name":        {with(`"metadata":{"` + card + `":"x"}`), "/metadata", "a member's name " + refused},
		"metadata bad name":    {with(`"metadata":{"` + card + `":1}`), "/metadata", "a member's name " + refused},
		"metadata as text":     {with(`"metadata":"` + card + `"`), "/metadata", refused},
		"unknown member":       {with(`"card":"` + card + `"`), "/card", refused},
		"unknown number":       {with(`"card":` + card), "/card", refused},
		"unknown nested":       {with(`"card":{"n":[null,{"` + card + `":1}]}`), "/card", refused},
		"unknown name":         {with(`"` + card + `":1`), "", "a member's name " + refused},
		"long unknown name":    {with(`"` + strings.Repeat("x", 100) + card + `":1`), "", "a member's name " + refused},
		"second of two":        {with(`"customer":"c","customer":"` + card + `"`), "/customer", refused},
		"first of two":         {with(`"customer":"` + card + `","customer":"c"`), "/customer", refused},
		"in an array":          {`["` + card + `"]`, "", refused},
		"alone":                {card, "", refused},
		"in broken JSON": {
			`{"payment_method":"` + card + `"`, "",
			refused + "; also, the body ends before its JSON does",
		},
		"escaped before a break": {
			`{"x":"\u0034242424242424242",}`, "",
			refused + "; also, the body is not valid JSON at byte 28",
		},
		"escaped in a member before a break": {
			`{"customer":"\u0034242424242424242",}`, "",
			refused + "; also, the body is not valid JSON at byte 35",
		},
		"in CSV": {"A-1,1999,EUR," + card, "", refused + "; also, the body is not valid JSON at byte 0"},
	} {
		t.Run(name, func(t *testing.T) {
			answer := service.post(t, test.body)
			got := answer.problem(t, 422, payment.CodeCardNumber)
			if got.Detail != "send the payer's token, never a card number" {
				t.Errorf("detail is %q", got.Detail)
			}
			if payment.ContainsCardNumber(answer.body) || strings.Contains(answer.body, card[:8]) {
				t.Errorf("the answer repeats the card number: %s", answer.body)
			}
			if len(got.Errors) == 0 || got.Errors[0] != (problemField{test.pointer, test.detail}) {
				t.Errorf("got %q, want %q %q", got.Errors, test.pointer, test.detail)
			}
		})
	}
	if kept := service.store.all(); len(kept) > 0 {
		t.Errorf("%d requests with a card number were kept", len(kept))
	}
}

func TestPost_aCardNumberAmongOtherErrorsIsStillACardNumber(t *testing.T) {
	service := serve(t, ingest.Config{})
	got := service.post(t, `{"amount":"x","description":"`+card+`","pan":{"n":`+card+`},"zeta":1}`).
		problem(t, 422, payment.CodeCardNumber)
	wantFields(
		t, got,
		problemField{"/amount", "must be a JSON integer, not a string"},
		problemField{"/currency", "is required"},
		problemField{"/description", "must not contain a card number"},
		problemField{"/order_number", "is required"},
		problemField{"/pan", "must not contain a card number"},
		problemField{"/payment_method", "is required"},
		problemField{"/zeta", "is not a member of a payment request"},
	)
}

// watched is a middleware that keeps the errors behind answers, as the log does.
type watched struct {
	http.ResponseWriter
	seen func(error)
}

func (w watched) ObserveError(err error) { w.seen(err) }

func TestPost_noCardNumberReachesTheLog(t *testing.T) {
	kept := &store{kept: map[payment.ID]payment.Request{}}
	router := newRouter(t, kept, ingest.Config{})
	var mu sync.Mutex
	var log []string
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		router.ServeHTTP(watched{w, func(err error) {
			mu.Lock()
			defer mu.Unlock()
			log = append(log, err.Error())
		}}, r)
	})
	service := &service{Server: newServer(t, handler), store: kept}
	for _, body := range []string{
		with(`"payment_method":"` + card + `"`),
		with(`"` + card + `":` + card),
		with(`"metadata":{"` + card + `":{"` + card + `":1}}`),
		`{"payment_method":"` + card + `",,`,
		card,
	} {
		service.post(t, body).problem(t, 422, payment.CodeCardNumber)
	}
	mu.Lock()
	defer mu.Unlock()
	if len(log) != 5 {
		t.Fatalf("%d errors reached the log, want 5: %q", len(log), log)
	}
	for _, line := range log {
		if payment.ContainsCardNumber(line) || strings.Contains(line, card[:8]) {
			t.Errorf("the log says %q", line)
		}
	}
}

func TestPost_longNumbersThatAreNoCardsPass(t *testing.T) {
	service := serve(t, ingest.Config{})
	for _, body := range []string{
		with(`"order_number":"4242424242424241"`), // fails the check sum
		with(`"customer":"123456789012"`),         // too short
		with(`"description":"invoice 2026-11-21, 4711"`),
		with(`"metadata":{"trace":"0af7651916cd43dd8448eb211c80319c"}`),
	} {
		if got := service.post(t, body); got.status != http.StatusAccepted && got.status != http.StatusConflict {
			t.Errorf("%s: got %d %s", body, got.status, got.body)
		}
	}
}

var _ problem.Observer = watched{}
