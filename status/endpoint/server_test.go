package endpoint_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/go-json-experiment/json"

	"github.com/paybuf/paybuf/internal/local/localtest"
	"github.com/paybuf/paybuf/internal/object"
	"github.com/paybuf/paybuf/internal/problem"
	"github.com/paybuf/paybuf/internal/sealed"
	"github.com/paybuf/paybuf/payment"
	"github.com/paybuf/paybuf/postgres"
	"github.com/paybuf/paybuf/status/endpoint"
)

func TestMain(m *testing.M) { localtest.Main(m) }

const (
	publicURL = "https://pay.example"
	shopURL   = "https://shop.example/webhooks"
	lease     = time.Minute
)

// service is listening on a real ledger.
type service struct {
	*httptest.Server
	t      *testing.T
	schema string
	db     *postgres.DB
	keys   sealed.Keys
	errs   *observed
}

// observed are the errors that would be logged.
type observed struct {
	mu   sync.Mutex
	text strings.Builder
}

// observer hands the errors behind answers on.
type observer struct {
	http.ResponseWriter
	errs *observed
}

func (o observer) ObserveError(err error) {
	o.errs.mu.Lock()
	defer o.errs.mu.Unlock()
	fmt.Fprintln(&o.errs.text, err)
}

func (o observer) Unwrap() http.ResponseWriter { return o.ResponseWriter }

// tokens is an Authenticator to which the token is the tenant.
type tokens struct{}

func (tokens) Authenticate(r *http.Request) (payment.TenantID, error) {
	tenant, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !ok {
		return "", &payment.Error{Code: payment.CodeUnauthenticated, Detail: "there is no key"}
	}
	return payment.TenantID(tenant), nil
}

func checkURL(text string) error {
	if strings.HasPrefix(text, "http://") {
		return &payment.Error{Code: payment.CodeInvalid, Detail: "must begin with https://"}
	}
	return nil
}

func newKeys(t *testing.T, ids ...string) sealed.Keys {
	t.Helper()
	return parseKeys(t, drawKeys(t, ids...)...)
}

func drawKeys(t *testing.T, ids ...string) []string {
	t.Helper()
	var texts []string
	for _, id := range ids {
		text, err := sealed.NewKey(id)
		if err != nil {
			t.Fatal(err)
		}
		texts = append(texts, text)
	}
	return texts
}

func parseKeys(t *testing.T, texts ...string) sealed.Keys {
	t.Helper()
	keys, err := sealed.ParseKeys(strings.Join(texts, ","))
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

// serve listens with a key of its own, and a configuration changed by edits.
func serve(t *testing.T, edits ...func(*endpoint.Config)) *service {
	t.Helper()
	schema := localtest.Postgres(t)
	if _, err := postgres.Migrate(t.Context(), schema); err != nil {
		t.Fatal(err)
	}
	db, err := postgres.Open(t.Context(), schema, postgres.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	s := &service{t: t, schema: schema, db: db, keys: newKeys(t, "2026a"), errs: &observed{}}
	cfg := endpoint.Config{CheckURL: checkURL, Keys: s.keys, PublicURL: publicURL + "/"}
	for _, edit := range edits {
		edit(&cfg)
	}
	s.Server = httptest.NewServer(s.routes(endpoint.New(db, db, db, tokens{}, cfg)))
	t.Cleanup(s.Close)
	return s
}

func (s *service) routes(h *endpoint.Handler) http.Handler {
	router := chi.NewRouter()
	router.Use(func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { next.ServeHTTP(observer{w, s.errs}, r) })
	})
	router.NotFound(problem.NotFound)
	router.MethodNotAllowed(problem.MethodNotAllowed)
	h.Routes(router)
	return router
}

// answer is a response that was read to its end.
type answer struct {
	t      *testing.T
	status int
	header http.Header
	body   string
}

// call makes a request as the tenant acme, with the request changed by edits.
func (s *service) call(method, path, body string, edits ...func(*http.Request)) answer {
	s.t.Helper()
	request, err := http.NewRequestWithContext(s.t.Context(), method, s.URL+path, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
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
		s.t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return answer{s.t, response.StatusCode, response.Header, string(text)}
}

func asUmbrella(r *http.Request) { r.Header.Set("Authorization", "Bearer umbrella") }

func (s *service) get(path string, edits ...func(*http.Request)) answer {
	s.t.Helper()
	return s.call(http.MethodGet, path, "", edits...)
}

func (s *service) post(path, body string, edits ...func(*http.Request)) answer {
	s.t.Helper()
	return s.call(http.MethodPost, path, body, edits...)
}

// want checks the status and reads the body into something.
func (a answer) want(status int, into any) answer {
	a.t.Helper()
	if a.status != status {
		a.t.Fatalf("got %d %s, want %d", a.status, a.body, status)
	}
	if into != nil {
		if err := json.Unmarshal([]byte(a.body), into); err != nil {
			a.t.Fatalf("got %s: %v", a.body, err)
		}
	}
	return a
}

// details is a problem as a client reads it.
type details struct {
	Detail string       `json:"detail"`
	Code   payment.Code `json:"code"`
	Errors []struct {
		Pointer string `json:"pointer"`
		Detail  string `json:"detail"`
	} `json:"errors"`
}

func (a answer) wantProblem(status int, code payment.Code) details {
	a.t.Helper()
	var got details
	a.want(status, &got)
	if got.Code != code || a.header.Get("Content-Type") != problem.ContentType {
		a.t.Fatalf("got %d %s, want %s", a.status, a.body, code)
	}
	return got
}

// create makes an endpoint of acme that wants everything, or what more says.
func (s *service) create(more ...string) object.Endpoint {
	s.t.Helper()
	var created object.Endpoint
	members := append([]string{`"url":"` + shopURL + `"`}, more...)
	s.post(object.EndpointCollectionPath, "{"+strings.Join(members, ",")+"}").want(http.StatusCreated, &created)
	return created
}

// path is where an endpoint is, and what is below it.
func path(e object.Endpoint, below ...string) string {
	return object.EndpointPath(e.ID) + strings.Join(below, "")
}

// query reads one column past the ledger.
func (s *service) query(sql string) []string {
	s.t.Helper()
	return localtest.Query(s.t, s.schema, sql)
}

// pay claims orders of a tenant, each with the event payment.paying.
func (s *service) pay(tenant payment.TenantID, orderNumbers ...string) []payment.Work {
	s.t.Helper()
	key, err := payment.NewIDKey([]byte(strings.Repeat("k", 32)))
	if err != nil {
		s.t.Fatal(err)
	}
	var requests []payment.Request
	for _, number := range orderNumbers {
		request, err := payment.NewRequest(key, tenant, payment.Draft{
			OrderNumber: number, AmountMinor: 1999, Currency: "EUR", PaymentMethod: "tok_visa",
		}, time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC))
		if err != nil {
			s.t.Fatal(err)
		}
		requests = append(requests, request)
	}
	claimed, err := s.db.Claim(s.t.Context(), requests, nil, lease)
	if err != nil || len(claimed.Works) != len(requests) {
		s.t.Fatalf("claimed %d of %d: %v", len(claimed.Works), len(requests), err)
	}
	return claimed.Works
}

// settle ends payments as succeeded, each with the event payment.succeeded.
func (s *service) settle(works ...payment.Work) {
	s.t.Helper()
	var outcomes []payment.Outcome
	for _, work := range works {
		outcomes = append(outcomes, payment.Outcome{
			ID: work.ID, Version: work.Version, From: work.State, To: payment.Succeeded,
			Answer: payment.Answer{Verdict: payment.VerdictCharged, PayerReference: "ch_1"},
		})
	}
	if n, err := s.db.Settle(s.t.Context(), outcomes); err != nil || n != len(works) {
		s.t.Fatalf("settled %d of %d: %v", n, len(works), err)
	}
}

// page lists deliveries of an endpoint.
func (s *service) page(e object.Endpoint, query string) object.DeliveryPage {
	s.t.Helper()
	var page object.DeliveryPage
	s.get(path(e, "/deliveries", query)).want(http.StatusOK, &page)
	return page
}

// states gives the states of all deliveries of an endpoint, the newest first.
func (s *service) states(e object.Endpoint) []string {
	s.t.Helper()
	var states []string
	for _, d := range s.page(e, "").Data {
		state := string(d.State)
		if d.Reason != nil {
			state += " " + d.Reason.Code
		}
		states = append(states, state)
	}
	return states
}
