package simulator

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/paybuf/paybuf/payment"
)

// exchange is what came back over HTTP.
type exchange struct {
	status int
	header http.Header
	body   string
}

func serve(t *testing.T, opts Options) (*Engine, string) {
	t.Helper()
	e := open(t, opts)
	server := httptest.NewUnstartedServer(nil)
	server.Config = e.NewServer()
	server.Start()
	t.Cleanup(server.Close)
	return e, server.URL
}

func do(ctx context.Context, method, url, key, body string) (exchange, error) {
	request, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
	if err != nil {
		return exchange{}, err
	}
	request.Close = true
	if key != "" {
		request.Header.Set("Idempotency-Key", key)
	}
	request.GetBody = nil
	response, err := http.DefaultTransport.RoundTrip(request)
	if err != nil {
		return exchange{}, err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	return exchange{response.StatusCode, response.Header, string(text)}, err
}

func mustDo(t *testing.T, method, url, key, body string) exchange {
	t.Helper()
	got, err := do(t.Context(), method, url, key, body)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func order1(reference string) string {
	return fmt.Sprintf(`{"reference":%q,"order_number":"A-1","amount":1999,"currency":"EUR",`+
		`"payment_method":"tok_visa","customer":"c_81","metadata":{"cart":"1"}}`, reference)
}

func wantExchange(t *testing.T, got exchange, status int, body string) {
	t.Helper()
	if got.status != status || got.body != body {
		t.Errorf("answer is %d %s\nwant      %d %s", got.status, got.body, status, body)
	}
	if kind := got.header.Get("Content-Type"); kind != "application/json" {
		t.Errorf("content type is %q", kind)
	}
	if !strings.HasPrefix(got.header.Get("Request-Id"), "req_") {
		t.Errorf("request id is %q", got.header.Get("Request-Id"))
	}
}

func TestHandler_speaksTheContract(t *testing.T) {
	_, url := serve(t, Options{})
	const charged = `{"id":"ch_1","reference":"pay_a","status":"succeeded","amount":1999,"currency":"EUR","decline_code":null}`

	wantExchange(t, mustDo(t, "GET", url+"/charges?reference=pay_a", "", ""), 404,
		`{"error":"not_found","message":"no such charge","reference":"pay_a"}`)
	wantExchange(t, mustDo(t, "POST", url+"/charges", "pay_a", order1("pay_a")), 201, charged)
	again := mustDo(t, "POST", url+"/charges", "pay_a", order1("pay_a"))
	wantExchange(t, again, 200, charged)
	if again.header.Get("Idempotent-Replayed") != "true" {
		t.Error("a replay is not marked")
	}
	wantExchange(t, mustDo(t, "GET", url+"/charges?reference=pay_a", "", ""), 200, charged)
	wantExchange(t, mustDo(t, "POST", url+"/charges", "pay_a", strings.Replace(order1("pay_a"), "1999", "2000", 1)), 422,
		`{"error":"key_reused","message":"the key was used for another request"}`)
	wantExchange(t, mustDo(t, "POST", url+"/charges", "pay_a", order1("pay_b")), 422,
		`{"error":"key_reused","message":"the key was used for another request"}`)
	wantExchange(t, mustDo(t, "GET", url+"/healthz", "", ""), 200, `{"status":"ok"}`)
	wantExchange(t, mustDo(t, "GET", url+"/ledger", "", ""), 200,
		`{"charges":1,"references":1,"doubled":0,"declined":0,"pending":0,"voided":0,"sends":4,"lookups":2,"faults":0,"sums":{"EUR":1999}}`)
}

func TestHandler_declinesOnePaymentMethodAlways(t *testing.T) {
	e, url := serve(t, Options{})
	body := strings.Replace(order1("pay_a"), "tok_visa", DeclinedMethod, 1)
	for range 2 {
		if got := mustDo(t, "POST", url+"/charges", "pay_a", body); !strings.Contains(got.body, `"status":"declined"`) {
			t.Errorf("got %d %s", got.status, got.body)
		}
	}
	if got := mustDo(t, "POST", url+"/charges", "pay_b", order1("pay_b")); got.status != 201 {
		t.Errorf("another method is answered %d %s", got.status, got.body)
	}
	request := payment.Request{ID: "pay_c", PaymentMethod: DeclinedMethod, Money: mustEUR(t)}
	if got := e.Charge(t.Context(), request); got.Verdict != payment.VerdictDeclined {
		t.Errorf("in-process: %+v", got)
	}
	wantCounts(t, e, 1, 1, 0)
}

func mustEUR(t *testing.T) payment.Money {
	t.Helper()
	money, err := payment.NewMoney(1999, "EUR")
	if err != nil {
		t.Fatal(err)
	}
	return money
}

func TestHandler_anotherKeyOrNoneChargesAgain(t *testing.T) {
	e, url := serve(t, Options{})
	for _, key := range []string{"one", "two", "", ""} {
		if got := mustDo(t, "POST", url+"/charges", key, order1("pay_a")); got.status != 201 {
			t.Errorf("key %q is answered %d", key, got.status)
		}
	}
	wantCounts(t, e, 4, 1, 1)
}

func TestHandler_tellsADeclineByStatusAndByLookup(t *testing.T) {
	e, url := serve(t, Options{Decline: 1})
	const refused = `{"id":"ch_1","reference":"pay_a","status":"declined","amount":1999,"currency":"EUR","decline_code":"card_declined"}`
	for range 2 {
		wantExchange(t, mustDo(t, "POST", url+"/charges", "pay_a", order1("pay_a")), 402, refused)
	}
	wantExchange(t, mustDo(t, "GET", url+"/charges?reference=pay_a", "", ""), 200, refused)
	wantCounts(t, e, 0, 0, 0)
	if s := e.Summary(); s.Declined != 1 {
		t.Errorf("%d declined", s.Declined)
	}
}

func TestHandler_refusesWhatIsNotTheContract(t *testing.T) {
	e, url := serve(t, Options{})
	long := strings.Repeat("x", 256)
	for name, c := range map[string]struct {
		method, path, key, body string
		status                  int
	}{
		"no body":             {"POST", "/charges", "k", "", 400},
		"not JSON":            {"POST", "/charges", "k", "<xml>", 400},
		"two amounts":         {"POST", "/charges", "k", strings.Replace(order1("p"), "{", `{"amount":1,`, 1), 400},
		"no amount":           {"POST", "/charges", "k", strings.Replace(order1("p"), "1999", "0", 1), 400},
		"a fraction":          {"POST", "/charges", "k", strings.Replace(order1("p"), "1999", "19.99", 1), 400},
		"no such currency":    {"POST", "/charges", "k", strings.Replace(order1("p"), "EUR", "EUX", 1), 400},
		"no reference":        {"POST", "/charges", "k", order1(""), 400},
		"a long reference":    {"POST", "/charges", "k", order1(long), 400},
		"a long key":          {"POST", "/charges", long, order1("p"), 400},
		"a huge body":         {"POST", "/charges", "k", strings.Repeat(" ", bodyBytesMax) + order1("p"), 400},
		"look-up of nothing":  {"GET", "/charges", "", "", 400},
		"look-up of too much": {"GET", "/charges?reference=" + long, "", "", 400},
		"another method":      {"DELETE", "/charges", "", "", 405},
		"another path":        {"GET", "/refunds", "", "", 404},
	} {
		if got := mustDo(t, c.method, url+c.path, c.key, c.body); got.status != c.status {
			t.Errorf("%s is answered %d %s, want %d", name, got.status, got.body, c.status)
		}
	}
	if s := e.Summary(); s.Sends != 0 || s.Lookups != 0 || s.Charges != 0 {
		t.Errorf("what was refused is counted: %+v", s)
	}
}

func TestHandler_misbehavesAsTold(t *testing.T) {
	for name, c := range map[string]struct {
		faults  Faults
		status  int // 0: no answer
		body    string
		retry   string
		charges int64
	}{
		"unavailable": {faults: Faults{Unavailable: 1, RetryAfter: time.Second}, status: 503, retry: "1",
			body: `{"error":"unavailable","message":"try again later; nothing was charged"}`},
		"unavailable now": {faults: Faults{Unavailable: 1}, status: 503, retry: "0",
			body: `{"error":"unavailable","message":"try again later; nothing was charged"}`},
		"rate limited": {faults: Faults{RateLimited: 1, RetryAfter: 1100 * time.Millisecond}, status: 429, retry: "2",
			body: `{"error":"rate_limited","message":"try again later; nothing was charged"}`},
		"error before": {faults: Faults{ErrorBefore: 1}, status: 500,
			body: `{"error":"internal_error","message":"something went wrong"}`},
		"error after": {faults: Faults{ErrorAfter: 1}, status: 500, charges: 1,
			body: `{"error":"internal_error","message":"something went wrong"}`},
		"reset before": {faults: Faults{ResetBefore: 1}},
		"reset after":  {faults: Faults{ResetAfter: 1}, charges: 1},
		"hang":         {faults: Faults{Hang: 1, HangTimeout: 10 * time.Millisecond}},
		"hang after":   {faults: Faults{Hang: 1, HangCharges: true, HangTimeout: 10 * time.Millisecond}, charges: 1},
		"wrong amount": {faults: Faults{WrongAmount: 1}, status: 201, charges: 1,
			body: `{"id":"ch_1","reference":"pay_a","status":"succeeded","amount":2000,"currency":"EUR","decline_code":null}`},
		"garbage": {faults: Faults{Garbage: 1}, status: 200, charges: 1, body: "<html><body>It works!</bod"},
	} {
		t.Run(name, func(t *testing.T) {
			e, url := serve(t, Options{Faults: c.faults})
			got, err := do(t.Context(), "POST", url+"/charges", "pay_a", order1("pay_a"))
			if (err != nil) != (c.status == 0) {
				t.Fatalf("error is %v", err)
			}
			if isReset := errors.Is(err, syscall.ECONNRESET); isReset != strings.HasPrefix(name, "reset") {
				t.Errorf("error is %v", err)
			}
			if got.status != c.status || got.body != c.body || got.header.Get("Retry-After") != c.retry {
				t.Errorf("answer is %d %q, Retry-After %q", got.status, got.body, got.header.Get("Retry-After"))
			}
			wantCounts(t, e, c.charges, c.charges, 0)
		})
	}
}

func TestHandler_lookupsMisbehaveOnlyIfTold(t *testing.T) {
	faults := Faults{Garbage: 1, RetryAfter: time.Second}
	for name, c := range map[string]struct {
		opts   Options
		status int
	}{
		"sends misbehave": {Options{Faults: faults}, 200},
		"unavailable":     {Options{Faults: faults, Lookups: LookupFaults{Unavailable: 1}}, 503},
		"error":           {Options{Faults: faults, Lookups: LookupFaults{Error: 1}}, 500},
		"cannot be asked": {Options{NoLookup: true}, 501},
	} {
		t.Run(name, func(t *testing.T) {
			_, url := serve(t, c.opts)
			mustDo(t, "POST", url+"/charges", "pay_a", order1("pay_a"))
			if got := mustDo(t, "GET", url+"/charges?reference=pay_a", "", ""); got.status != c.status {
				t.Errorf("answered %d %s, want %d", got.status, got.body, c.status)
			}
		})
	}
}

func TestHandler_sameKeyWhileInProgressIs409(t *testing.T) {
	e, url := serve(t, Options{})
	held := order{reference: "pay_a", key: "pay_a", body: digestOf(t, order1("pay_a"))}
	op, met := e.book.begin(held) // as if its fsync took long
	if met != begun {
		t.Fatal("the key is taken")
	}
	wantExchange(t, mustDo(t, "POST", url+"/charges", "pay_a", order1("pay_a")), 409,
		`{"error":"key_in_progress","message":"the same key is being worked on"}`)
	e.book.abandon(op)
	if got := mustDo(t, "POST", url+"/charges", "pay_a", order1("pay_a")); got.status != 201 {
		t.Errorf("after that the key is answered %d", got.status)
	}
}

func TestHandler_hangsUntilTheClientLeaves(t *testing.T) {
	e, url := serve(t, Options{Faults: Faults{Hang: 1, HangTimeout: time.Hour}, Lookups: LookupFaults{Hang: 1}})
	ctx, cancel := context.WithCancel(t.Context())
	var clients sync.WaitGroup
	for method, body := range map[string]string{"POST": order1("pay_a"), "GET": ""} {
		clients.Go(func() {
			if _, err := do(ctx, method, url+"/charges?reference=pay_a", "pay_a", body); err == nil {
				t.Errorf("%s was answered", method)
			}
		})
	}
	eventually(t, func() bool { s := e.Summary(); return s.Sends+s.Lookups == 2 })
	cancel()
	clients.Wait() // and goleak sees that the handlers end, too
	if s := e.Summary(); s.Faults != 1 {
		t.Errorf("%d faults are counted, want that of the send", s.Faults)
	}
}

func TestHandler_afterCloseSaysNothingAboutACharge(t *testing.T) {
	e, url := serve(t, Options{})
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	for _, got := range []exchange{
		mustDo(t, "POST", url+"/charges", "pay_a", order1("pay_a")), mustDo(t, "GET", url+"/charges?reference=pay_a", "", ""),
	} {
		if got.status != 500 {
			t.Errorf("answered %d", got.status)
		}
	}
}

func digestOf(t *testing.T, body string) digest {
	t.Helper()
	request := httptest.NewRequestWithContext(t.Context(), "POST", "/charges", strings.NewReader(body))
	o, err := readOrder(httptest.NewRecorder(), request)
	if err != nil {
		t.Fatal(err)
	}
	return o.body
}
