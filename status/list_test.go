package status_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"

	"github.com/paybuf/paybuf/payment"
	"github.com/paybuf/paybuf/status"
)

func of(orderNumber string) string {
	return "/v1/payments?order_number=" + url.QueryEscape(orderNumber)
}

func (a answer) list(t *testing.T) []shown {
	t.Helper()
	var got struct {
		Object string  `json:"object"`
		Data   []shown `json:"data"`
	}
	if err := json.Unmarshal([]byte(a.body), &got); err != nil || a.status != http.StatusOK || got.Object != "list" {
		t.Fatalf("got %d %s, want a list: %v", a.status, a.body, err)
	}
	return got.Data
}

func TestList_showsThePaymentsOfAnOrderOldestFirst(t *testing.T) {
	service := serve(t, status.Config{})
	first := in(request(t, "acme", "A 1/ü"), payment.Failed, 2)
	again := first
	again.ID, again.RetryOf, again.State = "pay_baaaaaaaaaaaaaaaaaaaaaaaaa", first.ID, payment.Succeeded
	foreign := in(request(t, "umbrella", "A 1/ü"), payment.Paying, 1)
	for _, p := range []payment.Payment{first, again, foreign, in(request(t, "acme", "A-2"), payment.Paying, 1)} {
		service.world.claim(p)
	}
	got := service.get(t, of("A 1/ü"))
	list := got.list(t)
	if len(list) != 2 || list[0].ID != first.ID || list[1].ID != again.ID {
		t.Errorf("got %+v", list)
	}
	wantHeader(t, got, "Cache-Control", "private, no-cache")
	wantHeader(t, got, "Vary", "Authorization")
	wantAsked(t, service.world, "order acme")
}

func TestList_anAcceptedPaymentIsInItsOrdersList(t *testing.T) {
	for name, test := range map[string]struct {
		meanwhile func(service *service, request payment.Request)
		state     payment.State
	}{
		"waiting": {func(*service, payment.Request) {}, payment.Queued},
		"claimed and trimmed between the first two look-ups": {
			func(service *service, request payment.Request) {
				service.world.beforePeek = func() {
					service.world.claim(in(request, payment.Paying, 1))
					service.world.trim(request.ID)
				}
			}, payment.Paying,
		},
		"finished after it was seen waiting": {
			func(service *service, request payment.Request) {
				service.world.afterPeek = func() { service.world.claim(in(request, payment.Succeeded, 2)) }
			}, payment.Succeeded,
		},
	} {
		t.Run(name, func(t *testing.T) {
			service := serve(t, status.Config{})
			request := service.wait(t, "A-1001")
			test.meanwhile(service, request)
			list := service.get(t, of("A-1001")).list(t)
			if len(list) != 1 || list[0].ID != request.ID || list[0].State != test.state {
				t.Errorf("got %+v, want one %s", list, test.state)
			}
			wantAsked(t, service.world, "order acme", "peek", "order acme")
		})
	}
}

func TestList_anOrderWithoutPaymentsHasAnEmptyList(t *testing.T) {
	service := serve(t, status.Config{})
	waiting := request(t, "umbrella", "A-1001")
	service.world.waiting[waiting.ID] = waiting
	got := service.get(t, of("A-1001"))
	if got.status != http.StatusOK || got.body != `{"object":"list","data":[]}` {
		t.Errorf("got %d %s", got.status, got.body)
	}
}

func TestList_whatIsNotKnownIsNotAnswered(t *testing.T) {
	for name, cut := range map[string]func(*world){
		"Postgres is down":   func(w *world) { w.readerDown = true },
		"the buffer is down": func(w *world) { w.backlogDown = true },
		"Postgres goes down": func(w *world) { w.afterPeek = func() { w.readerDown = true } },
	} {
		t.Run(name, func(t *testing.T) {
			service := serve(t, status.Config{})
			service.wait(t, "A-1001")
			cut(service.world)
			got := service.get(t, of("A-1001"))
			got.problem(t, 503, payment.CodeUnavailable)
			wantHeader(t, got, "Retry-After", "1")
		})
	}
}

func TestList_aQueryThatIsNotUnderstoodIsRefused(t *testing.T) {
	service := serve(t, status.Config{})
	const unknown = "the query has unknown parameters; order_number is the only one"
	for name, test := range map[string]struct {
		query  string
		status int
		code   payment.Code
		detail string
		fields []string
	}{
		"none":       {"", 422, payment.CodeInvalid, "order_number is missing; ask for /v1/payments?order_number=...", nil},
		"empty":      {"order_number=", 422, payment.CodeInvalid, "an order number must not be empty", nil},
		"twice":      {"order_number=A&order_number=B", 422, payment.CodeInvalid, "order_number is given more than once", nil},
		"blank":      {"order_number=+A", 422, payment.CodeInvalid, "an order number must not begin or end with white space", nil},
		"NUL":        {"order_number=A%00", 422, payment.CodeInvalid, "an order number must not contain control characters", nil},
		"not UTF-8":  {"order_number=%FF", 422, payment.CodeInvalid, "an order number must be valid UTF-8", nil},
		"long":       {"order_number=" + strings.Repeat("x", 129), 422, payment.CodeInvalid, "an order number must be at most 128 bytes", nil},
		"card":       {"order_number=4242424242424242", 422, payment.CodeCardNumber, "an order number must not contain a card number", nil},
		"escape":     {"order_number=%zz", 400, payment.CodeMalformed, "the query cannot be read", nil},
		"semicolon":  {"order_number=A;x=1", 400, payment.CodeMalformed, "the query cannot be read", nil},
		"unknown":    {"state=paying&order_number=A&cursor=1", 422, payment.CodeInvalid, unknown, []string{`unknown query parameter "cursor"`, `unknown query parameter "state"`}},
		"other case": {"Order_Number=A", 422, payment.CodeInvalid, unknown, []string{`unknown query parameter "Order_Number"`}},
		"card name":  {"4242424242424242=1", 422, payment.CodeInvalid, unknown, []string{"unknown query parameter"}},
		"long name":  {strings.Repeat("x", 65) + "=1", 422, payment.CodeInvalid, unknown, []string{"unknown query parameter"}},
		"odd name":   {"%FF=1", 422, payment.CodeInvalid, unknown, []string{"unknown query parameter"}},
		"many":       {"a&b&c&d&e&f&g&h&i&j&k&l", 422, payment.CodeInvalid, unknown, make([]string, 10)},
	} {
		t.Run(name, func(t *testing.T) {
			got := service.get(t, "/v1/payments?"+test.query)
			problem := got.problem(t, test.status, test.code)
			if problem.Detail != test.detail || len(problem.Errors) != len(test.fields) {
				t.Errorf("got %s, want %q and %q", got.body, test.detail, test.fields)
			}
			for i, field := range problem.Errors {
				if want := test.fields[i]; want != "" && field.Detail != want {
					t.Errorf("got %q, want %q", field.Detail, want)
				}
			}
			if payment.ContainsCardNumber(got.body) {
				t.Errorf("a card number is repeated: %s", got.body)
			}
		})
	}
	wantAsked(t, service.world)
}
