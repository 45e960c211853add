package cancel_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/go-json-experiment/json"
	"go.uber.org/goleak"

	"github.com/paybuf/paybuf/internal/problem"
	"github.com/paybuf/paybuf/payment"
	"github.com/paybuf/paybuf/status/cancel"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var errDown = errors.New("connection refused")

// world is Postgres, as far as cancellations go, and the buffer.
type world struct {
	mu      sync.Mutex
	rows    []payment.Payment // the oldest first
	waiting map[payment.ID]payment.Request

	ledgerDown, backlogDown bool
	readDown                bool          // of the ledger, only single payments
	hang                    bool          // until the caller's time is over
	release                 chan struct{} // if not nil, until it is closed too
	inLedger, most          int           // calls of Cancel
	afterPeek               func()        // what happens elsewhere meanwhile, if not nil
}

func (w *world) Cancel(ctx context.Context, c payment.Cancellation) (payment.Payment, error) {
	w.count(1)
	defer w.count(-1)
	if w.hang {
		<-ctx.Done()
		if w.release != nil {
			<-w.release
		}
		return payment.Payment{}, ctx.Err()
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.ledgerDown {
		return payment.Payment{}, errDown
	}
	if c.Waiting != nil && c.Waiting.Tenant != c.Tenant {
		panic("another tenant's request")
	}
	last := -1
	for i, row := range w.rows {
		if row.Tenant == c.Tenant && (row.ID == c.ID || (c.OrderNumber != "" && row.OrderNumber == c.OrderNumber)) {
			last = i
		}
	}
	if last < 0 {
		return w.tombstone(c)
	}
	switch row := &w.rows[last]; row.State {
	case payment.Scheduled, payment.Retrying:
		row.State, row.Version = payment.Canceled, row.Version+1
		return *row, nil
	case payment.Canceled:
		return *row, nil
	default:
		return payment.Payment{}, &payment.Error{
			Code: payment.CodeNotCancelable, Detail: "the payment is " + string(row.State), PaymentID: row.ID,
		}
	}
}

func (w *world) count(n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.inLedger += n
	w.most = max(w.most, w.inLedger)
}

func (w *world) mostAtOnce() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.most
}

// tombstone is called with mu held.
func (w *world) tombstone(c payment.Cancellation) (payment.Payment, error) {
	var row payment.Payment
	switch {
	case c.Waiting != nil:
		row = payment.Queue(*c.Waiting)
	case c.OrderNumber != "":
		row.ID, row.Tenant, row.OrderNumber = c.First, c.Tenant, c.OrderNumber
	default:
		return row, &payment.Error{Code: payment.CodeNotFound, Detail: "no row of " + string(c.ID)}
	}
	row.State, row.Version = payment.Canceled, 1
	w.rows = append(w.rows, row)
	return row, nil
}

func (w *world) Payment(_ context.Context, tenant payment.TenantID, id payment.ID) (payment.Payment, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, row := range w.rows {
		if row.Tenant == tenant && row.ID == id && !w.readDown {
			return row, nil
		}
	}
	return payment.Payment{}, errDown
}

func (w *world) Peek(_ context.Context, id payment.ID) (payment.Request, bool, error) {
	if w.afterPeek != nil {
		defer w.afterPeek()
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.backlogDown {
		return payment.Request{}, false, errDown
	}
	request, found := w.waiting[id]
	return request, found, nil
}

// row puts a payment into the ledger.
func (w *world) row(request payment.Request, state payment.State) payment.Payment {
	w.mu.Lock()
	defer w.mu.Unlock()
	p := payment.Queue(request)
	p.State, p.Version = state, 2
	w.rows = append(w.rows, p)
	return p
}

// wait puts a request into the buffer.
func (w *world) wait(request payment.Request) payment.Request {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.waiting[request.ID] = request
	return request
}

// states gives the state of each row by its id.
func (w *world) states() map[payment.ID]payment.State {
	w.mu.Lock()
	defer w.mu.Unlock()
	states := map[payment.ID]payment.State{}
	for _, row := range w.rows {
		states[row.ID] = row.State
	}
	return states
}

// tokens is an Authenticator to which the token is the tenant.
type tokens struct{}

func (tokens) Authenticate(r *http.Request) (payment.TenantID, error) {
	tenant, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !ok {
		return "", &payment.Error{Code: payment.CodeUnauthenticated, Detail: "there is no key"}
	}
	return payment.TenantID(tenant), nil
}

func idKey(t testing.TB) payment.IDKey {
	t.Helper()
	key, err := payment.NewIDKey([]byte(strings.Repeat("k", 32)))
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// request makes a request of a tenant, as ingest does.
func request(t testing.TB, tenant payment.TenantID, orderNumber string, retryOf payment.ID) payment.Request {
	t.Helper()
	request, err := payment.NewRequest(idKey(t), tenant, payment.Draft{
		OrderNumber: orderNumber, AmountMinor: 1999, Currency: "EUR", PaymentMethod: "tok_visa", RetryOf: string(retryOf),
	}, time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC))
	if err != nil {
		t.Fatal(err)
	}
	return request
}

// service is a listening cancel.
type service struct {
	*httptest.Server
	world *world
}

func serve(t testing.TB, cfg cancel.Config) *service {
	t.Helper()
	world := &world{waiting: map[payment.ID]payment.Request{}}
	router := chi.NewRouter()
	router.NotFound(problem.NotFound)
	router.MethodNotAllowed(problem.MethodNotAllowed)
	cancel.New(world, world, tokens{}, idKey(t), cfg).Routes(router)
	server := httptest.NewServer(router)
	t.Cleanup(server.Close)
	return &service{Server: server, world: world}
}

// answer is a response that was read to its end.
type answer struct {
	status int
	header http.Header
	body   string
}

// post sends a body as the tenant acme, with the request changed by edits.
func (s *service) post(t testing.TB, path, body string, edits ...func(*http.Request)) answer {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer acme")
	if body != "" {
		request.Header.Set("Content-Type", "application/json")
	}
	for _, edit := range edits {
		edit(request)
	}
	response, err := s.Client().Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{response.StatusCode, response.Header, string(text)}
}

func (s *service) cancel(t testing.TB, id payment.ID, edits ...func(*http.Request)) answer {
	t.Helper()
	return s.post(t, "/v1/payments/"+string(id)+"/cancel", "", edits...)
}

func (s *service) cancelOrder(t testing.TB, orderNumber string, edits ...func(*http.Request)) answer {
	t.Helper()
	return s.post(t, "/v1/payments/cancel", `{"order_number":"`+orderNumber+`"}`, edits...)
}

func asUmbrella(r *http.Request) { r.Header.Set("Authorization", "Bearer umbrella") }

// wantCanceled checks that the answer shows this payment as canceled.
func (a answer) wantCanceled(t testing.TB, id payment.ID) {
	t.Helper()
	var shown struct {
		ID    payment.ID    `json:"id"`
		State payment.State `json:"state"`
	}
	if err := json.Unmarshal([]byte(a.body), &shown); err != nil || a.status != 200 || shown.ID != id || shown.State != payment.Canceled {
		t.Errorf("got %d %s, want %s canceled", a.status, a.body, id)
	}
}

// details is a problem as a client reads it.
type details struct {
	Detail     string `json:"detail"`
	Code       string `json:"code"`
	PaymentID  string `json:"payment_id"`
	PaymentURL string `json:"payment_url"`
}

func (a answer) problem(t testing.TB, status int, code payment.Code) details {
	t.Helper()
	var got details
	if err := json.Unmarshal([]byte(a.body), &got); err != nil {
		t.Fatalf("got %d %s, want a problem: %v", a.status, a.body, err)
	}
	if a.status != status || got.Code != string(code) || a.header.Get("Content-Type") != problem.ContentType {
		t.Fatalf("got %d %s, want %d %s", a.status, a.body, status, code)
	}
	return got
}
