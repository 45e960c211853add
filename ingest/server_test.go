package ingest_test

import (
	"context"
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

	"github.com/paybuf/paybuf/ingest"
	"github.com/paybuf/paybuf/internal/problem"
	"github.com/paybuf/paybuf/payment"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const valid = `{"order_number":"A-1001","amount":1999,"currency":"EUR","payment_method":"tok_visa",` +
	`"customer":"c_81","description":"two books","metadata":{"cart":"918273"}}`

// store keeps requests in memory as the buffer keeps them for good.
type store struct {
	mu   sync.Mutex
	kept map[payment.ID]payment.Request
	put  func(ctx context.Context) error // before anything is kept, if not nil
}

func (s *store) Put(ctx context.Context, request payment.Request) (payment.Receipt, error) {
	if s.put != nil {
		if err := s.put(ctx); err != nil {
			return payment.Receipt{}, err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	first, duplicate := s.kept[request.ID]
	switch {
	case !duplicate:
		first = request
		s.kept[request.ID] = request
	case first.Fingerprint() != request.Fingerprint():
		return payment.Receipt{}, &payment.Error{
			Code: payment.CodeOrderConflict, Detail: "another request has this order number", PaymentID: first.ID,
		}
	}
	return payment.Receipt{First: first, Duplicate: duplicate}, nil
}

func (s *store) all() []payment.Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []payment.Request
	for _, request := range s.kept {
		all = append(all, request)
	}
	return all
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

// clock tells a minute more each time it is asked.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock { return &clock{now: time.Date(2026, 11, 21, 8, 59, 0, 0, time.UTC)} }

func (c *clock) tell() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(time.Minute)
	return c.now
}

// service is a listening ingest.
type service struct {
	*httptest.Server
	store *store
}

func idKey(t testing.TB) payment.IDKey {
	t.Helper()
	key, err := payment.NewIDKey([]byte(strings.Repeat("k", 32)))
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func newRouter(t testing.TB, store *store, cfg ingest.Config) http.Handler {
	t.Helper()
	if cfg.Clock == nil {
		cfg.Clock = newClock().tell
	}
	router := chi.NewRouter()
	router.NotFound(problem.NotFound)
	router.MethodNotAllowed(problem.MethodNotAllowed)
	ingest.New(store, tokens{}, idKey(t), cfg).Routes(router)
	return router
}

func serve(t *testing.T, cfg ingest.Config) *service {
	t.Helper()
	kept := &store{kept: map[payment.ID]payment.Request{}}
	return &service{Server: newServer(t, newRouter(t, kept, cfg)), store: kept}
}

func newServer(t *testing.T, handler http.Handler) *httptest.Server {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return server
}

// answer is a response that was read to its end.
type answer struct {
	status int
	header http.Header
	body   string
}

func (s *service) do(t *testing.T, request *http.Request) answer {
	t.Helper()
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

// post sends a body as the tenant acme, with the request changed by edits.
func (s *service) post(t *testing.T, body string, edits ...func(*http.Request)) answer {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL+"/v1/payments", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer acme")
	request.Header.Set("Content-Type", "application/json")
	for _, edit := range edits {
		edit(request)
	}
	return s.do(t, request)
}

// details is a problem as a client reads it.
type details struct {
	Type   string         `json:"type"`
	Title  string         `json:"title"`
	Status int            `json:"status"`
	Detail string         `json:"detail"`
	Code   string         `json:"code"`
	Errors []problemField `json:"errors"`

	PaymentID  string `json:"payment_id"`
	PaymentURL string `json:"payment_url"`
}

type problemField struct {
	Pointer string `json:"pointer"`
	Detail  string `json:"detail"`
}

// problem checks that the answer is one, with the status and code wanted.
func (a answer) problem(t testing.TB, status int, code payment.Code) details {
	t.Helper()
	if kind := a.header.Get("Content-Type"); a.status != status || kind != problem.ContentType {
		t.Fatalf("got %d %s %s, want a problem with %d", a.status, kind, a.body, status)
	}
	var got details
	if err := json.Unmarshal([]byte(a.body), &got, json.RejectUnknownMembers(true)); err != nil {
		t.Fatalf("the problem %s cannot be read: %v", a.body, err)
	}
	if got.Code != string(code) || got.Status != status {
		t.Fatalf("got %s, want code %s", a.body, code)
	}
	return got
}
