package stripepayer_test

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/paybuf/paybuf/payment"
	"github.com/paybuf/paybuf/processor/payer/payertest"
	"github.com/paybuf/paybuf/processor/payer/stripepayer"
)

const (
	secretKey    = "sk_test_neverToBeSeen"
	clientSecret = "pi_secret_never_to_be_seen"

	decidedAfter = 50 * time.Millisecond
	// visibilityDelay is what the adapter is told about the double.
	visibilityDelay = time.Second
)

// double does what Stripe's pages say that Stripe does: it keeps what it answered
// to a key, its errors too, refuses a key that is in use or comes with other
// parameters, and shows an intent to the search only after a while. It is the side
// that moves the money.
type double struct {
	faults  payertest.Faults
	closing chan struct{}

	mu      sync.Mutex
	sends   map[string]int // by payment
	keys    map[string]*kept
	intents []*intent
}

// kept is what a key stands for.
type kept struct {
	params string
	done   bool // there is an answer
	status int
	intent *intent // nil for an error
}

type intent struct {
	id, reference, currency string
	amount                  int64
	first, then             string // its status until and from decidedAt
	decidedAt, visibleAt    time.Time
}

func (i *intent) status() string {
	if time.Now().Before(i.decidedAt) {
		return i.first
	}
	return i.then
}

// newDouble starts a double on loopback that ends with the test.
func newDouble(t *testing.T, faults payertest.Faults) (*double, string) {
	t.Helper()
	d := &double{faults: faults, closing: make(chan struct{}), sends: map[string]int{}, keys: map[string]*kept{}}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/payment_intents", d.create)
	mux.HandleFunc("GET /v1/payment_intents/search", d.search)
	mux.HandleFunc("GET /v1/payment_intents/{id}", d.retrieve)
	server := httptest.NewServer(d.guard(mux))
	t.Cleanup(func() { close(d.closing); server.Close() })
	return d, server.URL
}

// guard stands before the keys: it refuses whom it does not know.
func (d *double) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Request-Id", "req_double")
		if r.Header.Get("Authorization") != "Bearer "+secretKey {
			d.refuse(w, http.StatusUnauthorized, "invalid_request_error", "")
			return
		}
		next.ServeHTTP(w, r)
	})
}

func (d *double) create(w http.ResponseWriter, r *http.Request) {
	if err := r.ParseForm(); err != nil {
		d.refuse(w, http.StatusBadRequest, "invalid_request_error", "")
		return
	}
	fault := d.strikes(r.PostForm.Get("metadata[paybuf_id]"))
	switch fault { //nolint:exhaustive // the others strike after the work
	case payertest.Unavailable, payertest.RateLimited:
		w.Header().Set("Retry-After", "1")
		w.Header().Set("Stripe-Should-Retry", "true")
		d.refuse(w, http.StatusTooManyRequests, "invalid_request_error", "rate_limit")
		return
	case payertest.ErrorBefore:
		d.refuse(w, http.StatusInternalServerError, "api_error", "")
		return
	case payertest.ResetBefore:
		hangUp(w)
		return
	case payertest.Hang:
		d.hang(w, r)
		return
	}
	d.answer(w, r, fault)
}

// strikes gives what happens to this send of a payment.
func (d *double) strikes(reference string) payertest.Fault {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.sends[reference]++; d.sends[reference] == 1 {
		return d.faults.First
	}
	return payertest.NoFault
}

// answer works on a send, and then does to its answer what the fault says.
func (d *double) answer(w http.ResponseWriter, r *http.Request, fault payertest.Fault) {
	key, status, code := d.work(r.Header.Get("Idempotency-Key"), r.PostForm, fault, w.Header())
	switch {
	case code != "":
		d.refuse(w, status, "idempotency_error", code)
	case fault == payertest.ErrorAfter:
		d.refuse(w, http.StatusInternalServerError, "api_error", "")
	case fault == payertest.InProgress:
		d.refuse(w, http.StatusConflict, "idempotency_error", "idempotency_key_in_use")
	case fault == payertest.ResetAfter:
		hangUp(w)
	case fault == payertest.HangAfter:
		d.hang(w, r)
	case fault == payertest.Garbage:
		_, _ = w.Write([]byte(`{"object":"payment_intent","id":"pi_`)) // the client may have left
	case key.intent == nil:
		d.refuse(w, key.status, "api_error", "")
	default:
		d.tell(w, key.intent, fault == payertest.WrongAmount)
	}
}

// work is what happens behind the keys. A code refuses the key.
func (d *double) work(name string, form url.Values, fault payertest.Fault, header http.Header) (key *kept, status int, code string) {
	params := form.Encode()
	d.mu.Lock()
	known := d.keys[name]
	switch {
	case known != nil && known.params != params:
		d.mu.Unlock()
		return nil, http.StatusBadRequest, "idempotency_error"
	case known != nil && !known.done:
		d.mu.Unlock()
		return nil, http.StatusConflict, "idempotency_key_in_use"
	case known != nil:
		d.mu.Unlock()
		header.Set("Idempotent-Replayed", "true")
		return known, 0, ""
	}
	key = &kept{params: params}
	d.keys[name] = key
	d.mu.Unlock()

	thinking := time.NewTimer(2 * time.Millisecond) // so that sends at once meet a key in use
	<-thinking.C

	d.mu.Lock()
	defer d.mu.Unlock()
	key.done, key.status = true, http.StatusInternalServerError
	if fault == payertest.ErrorUsed {
		return key, 0, ""
	}
	made := d.newIntent(form)
	d.intents = append(d.intents, made)
	if fault != payertest.ErrorKept {
		key.intent = made
	}
	return key, 0, ""
}

func (d *double) newIntent(form url.Values) *intent {
	amount, _ := strconv.ParseInt(form.Get("amount"), 10, 64) // 0 is told back, and is a mismatch
	made := &intent{
		id: fmt.Sprintf("pi_%d", len(d.intents)+1), reference: form.Get("metadata[paybuf_id]"),
		amount: amount, currency: form.Get("currency"), first: "processing", then: "succeeded",
	}
	now := time.Now()
	switch d.faults.Outcome {
	case payertest.Decline:
		made.then = "requires_payment_method"
	case payertest.DeclineLater:
		made.then, made.decidedAt = "requires_payment_method", now.Add(decidedAfter)
	case payertest.ApproveLater:
		made.decidedAt = now.Add(decidedAfter)
	case payertest.Approve:
	}
	if d.faults.Late {
		made.visibleAt = now.Add(payertest.LateFor)
	}
	return made
}

var searched = regexp.MustCompile(`^metadata\['paybuf_id'\]:'(pay_[a-z2-7]+)'$`)

func (d *double) search(w http.ResponseWriter, r *http.Request) {
	switch d.faults.Lookup {
	case payertest.LookupUnavailable:
		d.refuse(w, http.StatusTooManyRequests, "invalid_request_error", "rate_limit")
		return
	case payertest.LookupError:
		d.refuse(w, http.StatusInternalServerError, "api_error", "")
		return
	case payertest.LookupHang:
		d.hang(w, r)
		return
	case payertest.NoLookupFault:
	}
	query := searched.FindStringSubmatch(r.URL.Query().Get("query"))
	if query == nil {
		d.refuse(w, http.StatusBadRequest, "invalid_request_error", "parameter_invalid")
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	found := []any{}
	for _, made := range d.intents {
		if made.reference == query[1] && !time.Now().Before(made.visibleAt) {
			// The index is behind: it shows what was before the decision.
			found = append(found, object(made, "requires_payment_method", made.amount))
		}
	}
	d.write(w, http.StatusOK, map[string]any{
		"object": "search_result", "url": "/v1/payment_intents/search", "has_more": false, "data": found,
	})
}

func (d *double) retrieve(w http.ResponseWriter, r *http.Request) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, made := range d.intents {
		if made.id == r.PathValue("id") {
			d.write(w, http.StatusOK, object(made, made.status(), made.amount))
			return
		}
	}
	d.refuse(w, http.StatusNotFound, "invalid_request_error", "resource_missing")
}

// tell answers with an intent as it was first, which is how a key is answered
// again, too. A declined one is an error.
func (d *double) tell(w http.ResponseWriter, made *intent, wrongAmount bool) {
	status, amount := made.then, made.amount
	if !made.decidedAt.IsZero() {
		status = made.first
	}
	if wrongAmount {
		amount++
	}
	told := object(made, status, amount)
	if status != "requires_payment_method" {
		d.write(w, http.StatusOK, told)
		return
	}
	failed := lastPaymentError()
	failed["payment_intent"] = told
	d.write(w, http.StatusPaymentRequired, map[string]any{"error": failed})
}

// object is a PaymentIntent, with what must never be shown in it.
func object(made *intent, status string, amount int64) map[string]any {
	told := map[string]any{
		"id": made.id, "object": "payment_intent", "amount": amount, "amount_received": 0, "currency": made.currency,
		"status": status, "client_secret": clientSecret, "payment_method": payertest.PaymentMethod,
		"metadata": map[string]string{"paybuf_id": made.reference}, "last_payment_error": nil,
	}
	switch status {
	case "succeeded":
		told["amount_received"] = amount
	case "requires_payment_method":
		told["last_payment_error"] = lastPaymentError()
	}
	return told
}

func lastPaymentError() map[string]any {
	return map[string]any{
		"type": "card_error", "code": "card_declined", "decline_code": "insufficient_funds",
		"message": "Your card (" + payertest.PaymentMethod + ") has insufficient funds.",
	}
}

func (d *double) refuse(w http.ResponseWriter, status int, kind, code string) {
	refusal := map[string]any{"type": kind, "message": "no, with " + payertest.PaymentMethod}
	if code != "" && code != "idempotency_error" {
		refusal["code"] = code
	}
	d.write(w, status, map[string]any{"error": refusal})
}

func (d *double) write(w http.ResponseWriter, status int, body any) {
	text, err := json.Marshal(body)
	if err != nil {
		panic(err) // maps of texts and numbers
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(text) // the client may have left
}

// hang gives no answer until the client leaves or the test ends.
func (d *double) hang(w http.ResponseWriter, r *http.Request) {
	select {
	case <-r.Context().Done():
	case <-d.closing:
	}
	hangUp(w)
}

func hangUp(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	if tcp, isTCP := conn.(*net.TCPConn); isTCP {
		_ = tcp.SetLinger(0) // it closes either way
	}
	_ = conn.Close() // there is nobody to tell
}

// charges is what was charged under a payment id.
func (d *double) charges(t *testing.T, id payment.ID) []payment.Money {
	t.Helper()
	d.mu.Lock()
	defer d.mu.Unlock()
	var all []payment.Money
	for _, made := range d.intents {
		if made.reference != string(id) || made.status() != "succeeded" {
			continue
		}
		money, err := payment.NewMoney(made.amount, strings.ToUpper(made.currency))
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, money)
	}
	return all
}

// dial makes an adapter for a server on loopback.
func dial(t *testing.T, baseURL string, change ...func(*stripepayer.Config)) *stripepayer.Payer {
	t.Helper()
	cfg := stripepayer.Config{SecretKey: secretKey, BaseURL: baseURL, VisibilityDelay: visibilityDelay}
	for _, each := range change {
		each(&cfg)
	}
	payer, err := stripepayer.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(payer.Close)
	return payer
}
