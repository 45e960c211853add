package ingest_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/go-json-experiment/json"

	"github.com/paybuf/paybuf/ingest"
	"github.com/paybuf/paybuf/payment"
)

var tokenTime = time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC)

// setClock tells the time that it was set to.
type setClock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *setClock) tell() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *setClock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// Peek implements ingest.Backlog.
func (s *store) Peek(ctx context.Context, id payment.ID) (payment.Request, bool, error) {
	if s.put != nil {
		if err := s.put(ctx); err != nil {
			return payment.Request{}, false, err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	request, found := s.kept[id]
	return request, found, nil
}

// tokenService is a listening ingest that gives tokens out and takes them.
type tokenService struct {
	batchService
	clock *setClock
}

func serveTokens(t *testing.T, outcomes ingest.Outcomes) *tokenService {
	t.Helper()
	clock := &setClock{now: tokenTime}
	kept := &lists{store: store{kept: map[payment.ID]payment.Request{}}, fail: map[string]error{}}
	cfg := ingest.Config{Clock: clock.tell, Backlog: &kept.store, Outcomes: outcomes, OutcomeTimeout: 10 * time.Second}
	router := chi.NewRouter()
	ingest.New(kept, tokens{}, idKey(t), cfg).Routes(router)
	ingest.NewBatch(kept, tokens{}, idKey(t), cfg).Routes(router)
	ingest.NewTokens(tokens{}, idKey(t), cfg).Routes(router)
	return &tokenService{batchService{service{newServer(t, router), &kept.store}, kept}, clock}
}

// given is a token as a client reads it.
type given struct {
	Object       string `json:"object"`
	PaymentToken string `json:"payment_token"`
	OrderNumber  string `json:"order_number"`
	Amount       int64  `json:"amount"`
	Currency     string `json:"currency"`
	ExpiresAt    string `json:"expires_at"`
}

func (s *tokenService) ask(t *testing.T, body string, edits ...func(*http.Request)) answer {
	t.Helper()
	toTokens := func(r *http.Request) { r.URL.Path = "/v1/payment-tokens" }
	return s.post(t, body, append([]func(*http.Request){toTokens}, edits...)...)
}

// token asks for one of 1999 EUR.
func (s *tokenService) token(t *testing.T, edits ...func(*http.Request)) given {
	t.Helper()
	got := s.ask(t, `{"amount":1999,"currency":"EUR"}`, edits...)
	var read given
	if err := json.Unmarshal([]byte(got.body), &read, json.RejectUnknownMembers(true)); err != nil || got.status != http.StatusCreated {
		t.Fatalf("got %d %s: %v", got.status, got.body, err)
	}
	return read
}

func asUmbrella(r *http.Request) { r.Header.Set("Authorization", "Bearer umbrella") }

// spend is the request of a token.
func spend(token string) string {
	return `{"payment_token":"` + token + `","amount":1999,"currency":"EUR","payment_method":"tok_visa"}`
}

// withToken is a request of the tenant acme with a good token.
func withToken(t testing.TB, members string) string {
	t.Helper()
	money, err := payment.NewMoney(1999, "EUR")
	if err != nil {
		t.Fatal(err)
	}
	text := idKey(t).SignToken(payment.NewToken("acme", money, tokenTime.Add(24*time.Hour)))
	return `{"payment_token":"` + text + `","amount":1999,"currency":"EUR",` + members + `}`
}

func TestTokens_showWhatTheyAreFor(t *testing.T) {
	service := serveTokens(t, nil)
	for body, expires := range map[string]string{
		`{"amount":1999,"currency":"EUR"}`:                     "2026-11-21T10:00:00.000Z",
		`{"expires_in":1,"amount":1999,"currency":"EUR"}`:      "2026-11-21T09:00:01.000Z",
		`{"amount":1999,"currency":"EUR","expires_in":604800}`: "2026-11-28T09:00:00.000Z",
	} {
		got := service.ask(t, body)
		var read given
		if err := json.Unmarshal([]byte(got.body), &read); err != nil || got.status != http.StatusCreated {
			t.Fatalf("%s: got %d %s: %v", body, got.status, got.body, err)
		}
		want := fmt.Sprintf(`{"object":"payment_token","payment_token":%q,"order_number":%q,"amount":1999,"currency":"EUR","expires_at":%q}`,
			read.PaymentToken, read.OrderNumber, expires)
		if got.body != want {
			t.Errorf("got  %s\nwant %s", got.body, want)
		}
		wantHeader(t, got, "Cache-Control", "no-store")
		if token, err := idKey(t).ReadToken("acme", read.PaymentToken); err != nil || token.OrderNumber() != read.OrderNumber {
			t.Errorf("the token is %+v, %v", token, err)
		}
	}
	if kept := service.store.all(); len(kept) > 0 {
		t.Errorf("kept %+v", kept)
	}
}

func TestTokens_whatIsWrongIsNamed(t *testing.T) {
	service := serveTokens(t, nil)
	for body, want := range map[string][]problemField{
		`{}`: {{"/amount", "is required"}, {"/currency", "is required"}},
		`{"amount":0,"currency":"eur","expires_in":0}`: {{"/amount", "must be greater than 0"},
			{"/currency", "must be in upper case: EUR"}, {"/expires_in", "must be 1 to 604800 seconds"}},
		`{"amount":1,"currency":"EUR","expires_in":604801}`:               {{"/expires_in", "must be 1 to 604800 seconds"}},
		`{"amount":1,"currency":"EUR","expires_in":99999999999999999999}`: {{"/expires_in", "must be 1 to 604800 seconds"}},
		`{"amount":1,"currency":"EUR","expires_in":1.5}`:                  {{"/expires_in", "must be a whole number of seconds, not 1.5"}},
		`{"amount":1,"currency":"EUR","expires_in":null}`:                 {{"/expires_in", "must not be null"}},
		`{"amount":1,"currency":"EUR","order_number":"A-1"}`:              {{"/order_number", "is not a member of a request for a payment token"}},
		`{"amount":1,"currency":"EUR","expire_in":1}`: {{"/expire_in",
			`is not a member of a request for a payment token; did you mean "expires_in"?`}},
		`[]`: {{"", "must be a JSON object, not an array"}},
	} {
		wantFields(t, service.ask(t, body).problem(t, 422, payment.CodeInvalid), want...)
	}
	service.ask(t, "{").problem(t, 400, payment.CodeMalformed)
	service.ask(t, "{}", asNDJSON).problem(t, 415, payment.CodeMediaType)
	service.ask(t, "{}", func(r *http.Request) { r.Header.Del("Authorization") }).problem(t, 401, payment.CodeUnauthenticated)
}

func TestToken_isSpentOnce(t *testing.T) {
	service := serveTokens(t, nil)
	token := service.token(t)
	first := service.post(t, spend(token.PaymentToken))
	id := idKey(t).Derive("acme", token.OrderNumber, "")
	if first.status != http.StatusAccepted || !strings.Contains(first.body, `"order_number":"`+token.OrderNumber+`"`) ||
		first.header.Get("Location") != "/v1/payments/"+string(id) {
		t.Fatalf("got %d %s", first.status, first.body)
	}
	again := service.post(t, spend(token.PaymentToken))
	wantHeader(t, again, "Idempotent-Replayed", "true")
	if want := strings.Replace(first.body, `"duplicate":false`, `"duplicate":true`, 1); again.body != want {
		t.Errorf("got  %s\nwant %s", again.body, want)
	}
	other := strings.Replace(spend(token.PaymentToken), "tok_visa", "tok_amex", 1)
	if got := service.post(t, other).problem(t, 409, payment.CodeOrderConflict); got.PaymentID != string(id) {
		t.Errorf("the conflict is with %s", got.PaymentID)
	}
	if kept := service.store.all(); len(kept) != 1 {
		t.Errorf("kept %+v", kept)
	}
}

func TestToken_paysItsAmountAndNoOther(t *testing.T) {
	service := serveTokens(t, nil)
	good := spend(service.token(t).PaymentToken)
	const detail = "is not that of the payment token"
	for body, want := range map[string][]problemField{
		strings.Replace(good, "1999", "1", 1):  {{"/amount", detail}},
		strings.Replace(good, "EUR", "JPY", 1): {{"/currency", detail}},
		strings.NewReplacer("1999", "1", "EUR", "JPY", "tok_visa", "").Replace(good): {{"/amount", detail}, {"/currency", detail},
			{"/payment_method", "must not be empty"}},
	} {
		got := service.post(t, body).problem(t, 422, payment.CodeTokenInvalid)
		wantFields(t, got, want...)
	}
	wantFields(t, service.post(t, strings.Replace(good, "EUR", "eur", 1)).problem(t, 422, payment.CodeTokenInvalid),
		problemField{"/currency", "must be in upper case: EUR"})
	wantFields(t, service.post(t, strings.Replace(good, `"amount":1999,`, "", 1)).problem(t, 422, payment.CodeInvalid),
		problemField{"/amount", "is required"})
	service.post(t, strings.Replace(good, "tok_visa", card, 1)).problem(t, 422, payment.CodeCardNumber)
	if kept := service.store.all(); len(kept) > 0 {
		t.Errorf("kept %+v", kept)
	}
}

// Who tries tokens learns nothing from how they are refused.
func TestToken_aForgedAForeignAndABrokenOneAreRefusedAlike(t *testing.T) {
	service := serveTokens(t, nil)
	text := service.token(t).PaymentToken
	foreign := service.token(t, asUmbrella).PaymentToken
	want := service.post(t, spend("x"))
	wantFields(t, want.problem(t, 422, payment.CodeTokenInvalid), problemField{"/payment_token", "is not a payment token of yours"})
	for name, token := range map[string]string{
		"empty": "", "foreign": foreign, "truncated": text[:len(text)-2], "another version": "pbt_B" + text[5:],
		"last letter": text[:len(text)-1] + "?", "an order": "token-aaaaaaaaaaaaaaaaaaaaaaaaaa",
	} {
		if got := service.post(t, spend(token)); got.status != want.status || got.body != want.body {
			t.Errorf("%s: got %d %s", name, got.status, got.body)
		}
	}
	if got := service.post(t, spend(foreign), asUmbrella); got.status != http.StatusAccepted {
		t.Errorf("to its own tenant: %d %s", got.status, got.body)
	}
	for i := range len(text) { // through the whole of HTTP and JSON
		forged := text[:i] + string(rune('0'+(text[i]+1)%10)) + text[i+1:]
		if got := service.post(t, spend(forged)); forged != text && got.status != 422 {
			t.Fatalf("%s: got %d %s", forged, got.status, got.body)
		}
	}
}

func TestToken_expiredIsGoneUnlessItWasSpentInTime(t *testing.T) {
	service := serveTokens(t, nil)
	spent, unspent := service.token(t), service.token(t)
	service.clock.add(time.Hour - time.Millisecond)
	first := service.post(t, spend(spent.PaymentToken))
	if first.status != http.StatusAccepted {
		t.Fatalf("just in time: %d %s", first.status, first.body)
	}
	service.clock.add(time.Millisecond)
	if again := service.post(t, spend(spent.PaymentToken)); again.status != http.StatusAccepted ||
		again.body != strings.Replace(first.body, `"duplicate":false`, `"duplicate":true`, 1) {
		t.Errorf("spent: %d %s", again.status, again.body)
	}
	service.post(t, strings.Replace(spend(spent.PaymentToken), "tok_visa", "tok_amex", 1)).problem(t, 409, payment.CodeOrderConflict)
	gone := service.post(t, spend(unspent.PaymentToken)).problem(t, 410, payment.CodeTokenExpired)
	if gone.PaymentID != "" {
		t.Errorf("it names %s, which is not there", gone.PaymentID)
	}
	if kept := service.store.all(); len(kept) != 1 {
		t.Errorf("kept %+v", kept)
	}
	service.store.put = func(context.Context) error { return errors.New("nobody answers") }
	if got := service.post(t, spend(unspent.PaymentToken)); got.problem(t, 503, payment.CodeUnavailable).Code == "" || got.header.Get("Retry-After") == "" {
		t.Errorf("with a stream that does not answer: %+v", got)
	}
}

// ledger is an Outcomes with one payment.
type ledgerOf struct {
	payment payment.Payment
	err     error
}

func (l *ledgerOf) Payment(_ context.Context, tenant payment.TenantID, id payment.ID) (payment.Payment, error) {
	if l.err != nil {
		return payment.Payment{}, l.err
	}
	if l.payment.ID != id || l.payment.Tenant != tenant {
		return payment.Payment{}, &payment.Error{Code: payment.CodeNotFound, Detail: "none"}
	}
	return l.payment, nil
}

func TestToken_expiredIsLookedForInTheLedgerToo(t *testing.T) {
	ledger := &ledgerOf{}
	service := serveTokens(t, ledger)
	token := service.token(t)
	service.post(t, spend(token.PaymentToken))
	ledger.payment = payment.Queue(service.store.all()[0])
	ledger.payment.State, ledger.payment.Version = payment.Succeeded, 2
	service.clock.add(2 * time.Hour)

	final := service.post(t, spend(token.PaymentToken))
	if final.status != http.StatusOK || !strings.Contains(final.body, `"state":"succeeded"`) {
		t.Errorf("got %d %s", final.status, final.body)
	}
	service.store.kept = map[payment.ID]payment.Request{} // the stream has forgotten it
	if got := service.post(t, spend(token.PaymentToken)); got.status >= 300 {
		t.Errorf("got %d %s", got.status, got.body)
	}
	unspent := service.token(t)
	service.clock.add(2 * time.Hour)
	service.post(t, spend(unspent.PaymentToken)).problem(t, 410, payment.CodeTokenExpired)
	ledger.err = errors.New("connection refused")
	service.post(t, spend(unspent.PaymentToken)).problem(t, 503, payment.CodeUnavailable)
}

func TestToken_isTakenInBatches(t *testing.T) {
	service := serveTokens(t, nil)
	late := service.token(t)
	service.clock.add(2 * time.Hour)
	good, bad := service.token(t), service.token(t, asUmbrella)
	got := service.send(t, lines(spend(good.PaymentToken), spend(bad.PaymentToken), spend(late.PaymentToken), spend(good.PaymentToken)))
	var shown batchShown
	if err := json.Unmarshal([]byte(got.body), &shown); err != nil || len(shown.Items) != 4 {
		t.Fatalf("got %d %s: %v", got.status, got.body, err)
	}
	for i, want := range []int{202, 422, 410, 202} {
		if shown.Items[i].Status != want {
			t.Errorf("item %d: %d, want %d: %s", i, shown.Items[i].Status, want, got.body)
		}
	}
	if kept := service.store.all(); len(kept) != 1 || kept[0].OrderNumber != good.OrderNumber {
		t.Errorf("kept %+v", kept)
	}
}

// A declined card may be followed by another one under the same token.
func TestToken_mayBeTriedAgain(t *testing.T) {
	service := serveTokens(t, nil)
	token := service.token(t)
	service.post(t, spend(token.PaymentToken))
	first := idKey(t).Derive("acme", token.OrderNumber, "")
	retry := strings.Replace(spend(token.PaymentToken), "tok_visa", `tok_amex","retry_of":"`+string(first), 1)
	got := service.post(t, retry)
	if want := "/v1/payments/" + string(idKey(t).Derive("acme", token.OrderNumber, first)); got.status != 202 || got.header.Get("Location") != want {
		t.Errorf("got %d %s", got.status, got.body)
	}
	service.post(t, strings.Replace(retry, "1999", "1", 1)).problem(t, 422, payment.CodeTokenInvalid)
}
