package status_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/go-json-experiment/json"
	"go.uber.org/goleak"

	"github.com/paybuf/paybuf/internal/problem"
	"github.com/paybuf/paybuf/payment"
	"github.com/paybuf/paybuf/status"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var errDown = errors.New("connection refused")

// world is Postgres and the buffer in memory, and a journal of what was asked.
type world struct {
	mu      sync.Mutex
	claimed []payment.Payment
	waiting map[payment.ID]payment.Request
	asked   []string

	readerDown, backlogDown bool
	beforePeek, afterPeek   func() // what happens elsewhere meanwhile, if not nil
	hang                    bool   // the reader answers only when its context ends
}

func (w *world) note(question string) {
	w.asked = append(w.asked, question)
}

func (w *world) Payment(ctx context.Context, tenant payment.TenantID, id payment.ID) (payment.Payment, error) {
	if w.hang {
		<-ctx.Done()
		return payment.Payment{}, ctx.Err()
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.note("payment " + string(tenant))
	if w.readerDown {
		return payment.Payment{}, errDown
	}
	for _, p := range w.claimed {
		if p.Tenant == tenant && p.ID == id {
			return p, nil
		}
	}
	return payment.Payment{}, &payment.Error{Code: payment.CodeNotFound, Detail: "no row of " + string(id)}
}

func (w *world) PaymentsByOrder(_ context.Context, tenant payment.TenantID, order string) ([]payment.Payment, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.note("order " + string(tenant))
	if w.readerDown {
		return nil, errDown
	}
	var found []payment.Payment
	for _, p := range w.claimed {
		if p.Tenant == tenant && p.OrderNumber == order {
			found = append(found, p)
		}
	}
	return found, nil
}

// claimedAt is when the payment was claimed that stands there in claimed.
func claimedAt(i int) time.Time {
	return time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC).Add(time.Duration(i) * time.Second)
}

func (w *world) ListPayments(
	_ context.Context, tenant payment.TenantID, f payment.ListFilter,
) (page payment.ListPage, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.note("list " + string(tenant))
	if w.readerDown {
		return page, errDown
	}
	for i, p := range slices.Backward(w.claimed) {
		at := payment.ListPlace{CreatedAt: claimedAt(i), ID: p.ID}
		behind := f.From == payment.ListPlace{} || at.CreatedAt.Before(f.From.CreatedAt)
		if p.Tenant != tenant || !behind || (f.State != "" && p.State != f.State) || at.CreatedAt.Before(f.CreatedAfter) ||
			(f.OrderNumber != "" && p.OrderNumber != f.OrderNumber) ||
			(!f.CreatedBefore.IsZero() && !at.CreatedAt.Before(f.CreatedBefore)) {
			continue
		}
		if len(page.Payments) == f.Limit {
			return page, nil
		}
		page.Payments, page.Next = append(page.Payments, p), at
	}
	page.Next = payment.ListPlace{}
	return page, nil
}

func (w *world) Peek(_ context.Context, id payment.ID) (payment.Request, bool, error) {
	if w.beforePeek != nil {
		w.beforePeek()
	}
	if w.afterPeek != nil {
		defer w.afterPeek()
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.note("peek")
	if w.backlogDown {
		return payment.Request{}, false, errDown
	}
	request, found := w.waiting[id]
	return request, found, nil
}

// claim moves a request on to a state, as the processor does.
func (w *world) claim(p payment.Payment) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.claimed = append(w.claimed, p)
}

// trim takes a request out of the buffer, as the janitor does.
func (w *world) trim(id payment.ID) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.waiting, id)
}

// questions gives what was asked since the last call.
func (w *world) questions() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	asked := w.asked
	w.asked = nil
	return asked
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

func idKey(t *testing.T) payment.IDKey {
	t.Helper()
	key, err := payment.NewIDKey([]byte(strings.Repeat("k", 32)))
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// service is a listening status.
type service struct {
	*httptest.Server
	world *world
}

func serve(t *testing.T, cfg status.Config) *service {
	t.Helper()
	world := &world{waiting: map[payment.ID]payment.Request{}}
	router := chi.NewRouter()
	router.NotFound(problem.NotFound)
	router.MethodNotAllowed(problem.MethodNotAllowed)
	status.New(world, world, tokens{}, idKey(t), cfg).Routes(router)
	server := httptest.NewServer(router)
	t.Cleanup(server.Close)
	return &service{Server: server, world: world}
}

// request makes a request of a tenant, as ingest does.
func request(t *testing.T, tenant payment.TenantID, orderNumber string) payment.Request {
	t.Helper()
	request, err := payment.NewRequest(idKey(t), tenant, payment.Draft{
		OrderNumber: orderNumber, AmountMinor: 1999, Currency: "EUR", PaymentMethod: "tok_visa", Customer: "c_81",
	}, time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC))
	if err != nil {
		t.Fatal(err)
	}
	return request
}

// wait puts a request of the tenant acme into the buffer.
func (s *service) wait(t *testing.T, orderNumber string) payment.Request {
	t.Helper()
	request := request(t, "acme", orderNumber)
	s.world.waiting[request.ID] = request
	return request
}

// in is a request's payment in some state.
func in(request payment.Request, state payment.State, version int64) payment.Payment {
	p := payment.Queue(request)
	p.State, p.Version = state, version
	return p
}

// answer is a response that was read to its end.
type answer struct {
	status int
	header http.Header
	body   string
}

// get asks as the tenant acme, with the request changed by edits.
func (s *service) get(t *testing.T, path string, edits ...func(*http.Request)) answer {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL+path, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer acme")
	for _, edit := range edits {
		edit(request)
	}
	response, err := s.Client().Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{response.StatusCode, response.Header, string(body)}
}

// shown is a payment as a client reads it.
type shown struct {
	ID      payment.ID    `json:"id"`
	State   payment.State `json:"state"`
	Version int64         `json:"version"`
	Final   bool          `json:"final"`
}

func (a answer) payment(t *testing.T) shown {
	t.Helper()
	var got shown
	if err := json.Unmarshal([]byte(a.body), &got); err != nil || a.status != http.StatusOK {
		t.Fatalf("got %d %s, want a payment: %v", a.status, a.body, err)
	}
	return got
}

// details is a problem as a client reads it.
type details struct {
	Type   string `json:"type"`
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail"`
	Code   string `json:"code"`
	Errors []struct {
		Pointer string `json:"pointer"`
		Detail  string `json:"detail"`
	} `json:"errors"`
}

func (a answer) problem(t *testing.T, status int, code payment.Code) details {
	t.Helper()
	var got details
	if err := json.Unmarshal([]byte(a.body), &got, json.RejectUnknownMembers(true)); err != nil {
		t.Fatalf("got %d %s, want a problem: %v", a.status, a.body, err)
	}
	if a.status != status || got.Code != string(code) || a.header.Get("Content-Type") != problem.ContentType {
		t.Fatalf("got %d %s, want %d %s", a.status, a.body, status, code)
	}
	return got
}

func wantHeader(t *testing.T, got answer, name, want string) {
	t.Helper()
	if value := got.header.Get(name); value != want {
		t.Errorf("%s is %q, want %q", name, value, want)
	}
}

func wantAsked(t *testing.T, world *world, want ...string) {
	t.Helper()
	if asked := world.questions(); !slices.Equal(asked, want) {
		t.Errorf("asked %q, want %q", asked, want)
	}
}
