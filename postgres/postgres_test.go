package postgres_test

import (
	"context"
	"fmt"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/paybuf/paybuf/internal/local/localtest"
	"github.com/paybuf/paybuf/payment"
	"github.com/paybuf/paybuf/postgres"
)

func TestMain(m *testing.M) { localtest.Main(m) }

const (
	lease    = time.Minute
	waitMax  = 20 * time.Second
	waitStep = 5 * time.Millisecond
)

// ledger is a DB on a schema of its own, with a way around it.
type ledger struct {
	*postgres.DB
	t   *testing.T
	url string // of the schema
	raw *pgxpool.Pool
}

func newLedger(t *testing.T) *ledger {
	t.Helper()
	schema := localtest.Postgres(t)
	if _, err := postgres.Migrate(t.Context(), schema); err != nil {
		t.Fatal(err)
	}
	return openLedger(t, schema, postgres.Config{})
}

func openLedger(t *testing.T, schema string, cfg postgres.Config) *ledger {
	t.Helper()
	db, err := postgres.Open(t.Context(), named(t, schema), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	raw, err := pgxpool.New(t.Context(), schema)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(raw.Close)
	return &ledger{DB: db, t: t, url: schema, raw: raw}
}

// named calls the connections of a URL like its schema, so that a test tells them
// from those of others.
func named(t *testing.T, text string) string {
	t.Helper()
	return with(t, text, "application_name", parse(t, text).Query().Get("search_path"))
}

// with adds a setting to a URL.
func with(t *testing.T, text, name, value string) string {
	t.Helper()
	u := parse(t, text)
	query := u.Query()
	query.Set(name, value)
	u.RawQuery = query.Encode()
	return u.String()
}

func parse(t *testing.T, text string) *url.URL {
	t.Helper()
	u, err := url.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// exec runs SQL past the ledger.
func (l *ledger) exec(sql string, args ...any) {
	l.t.Helper()
	if _, err := l.raw.Exec(l.t.Context(), sql, args...); err != nil {
		l.t.Fatalf("%s: %v", sql, err)
	}
}

// query reads one value past the ledger.
func query[T any](l *ledger, sql string, args ...any) T {
	l.t.Helper()
	var value T
	if err := l.raw.QueryRow(l.t.Context(), sql, args...).Scan(&value); err != nil {
		l.t.Fatalf("%s: %v", sql, err)
	}
	return value
}

// count reads a number past the ledger.
func (l *ledger) count(from string, args ...any) int {
	l.t.Helper()
	return query[int](l, "SELECT count(*) FROM "+from, args...)
}

// claim claims requests that are all new.
func (l *ledger) claim(requests ...payment.Request) []payment.Work {
	l.t.Helper()
	claimed, err := l.Claim(l.t.Context(), requests, nil, lease)
	if err != nil {
		l.t.Fatal(err)
	}
	if len(claimed.Works) != len(requests) {
		l.t.Fatalf("%d of %d requests were claimed", len(claimed.Works), len(requests))
	}
	return claimed.Works
}

// settle writes outcomes of which all are in time.
func (l *ledger) settle(outcomes ...payment.Outcome) {
	l.t.Helper()
	settled, err := l.Settle(l.t.Context(), outcomes)
	if err != nil {
		l.t.Fatal(err)
	}
	if settled != len(outcomes) {
		l.t.Fatalf("%d of %d outcomes were written", settled, len(outcomes))
	}
}

// take leases everything that is due.
func (l *ledger) take() []payment.Work {
	l.t.Helper()
	works, err := l.Lease(l.t.Context(), 100, lease)
	if err != nil {
		l.t.Fatal(err)
	}
	return works
}

// read reads a payment of the test's tenant.
func (l *ledger) read(id payment.ID) payment.Payment {
	l.t.Helper()
	p, err := l.Payment(l.t.Context(), tenant, id)
	if err != nil {
		l.t.Fatal(err)
	}
	return p
}

// underWay reads the last attempt, which has not ended.
func (l *ledger) underWay(id payment.ID) payment.Attempt {
	l.t.Helper()
	attempts, err := l.Attempts(l.t.Context(), id, 1)
	if err != nil || len(attempts) != 1 || attempts[0].Verdict != "" || !attempts[0].EndedAt.IsZero() {
		l.t.Fatalf("no attempt is under way: %+v, %v", attempts, err)
	}
	return attempts[0]
}

// makeDue lets a payment's lease or pause end.
func (l *ledger) makeDue(id payment.ID) {
	l.t.Helper()
	l.exec("UPDATE payments SET version = version + 1, next_at = now() - interval '1 second' WHERE id = $1", id)
}

// put claims a new payment and moves it to a state past the ledger.
func (l *ledger) put(orderNumber string, state payment.State) payment.Work {
	l.t.Helper()
	return l.move(l.claim(order(l.t, orderNumber))[0], state)
}

// move brings a payment to a state past the ledger.
func (l *ledger) move(work payment.Work, state payment.State) payment.Work {
	l.t.Helper()
	if state != payment.Paying {
		l.exec(`UPDATE payments SET state = $2, version = version + 1,
			next_at = CASE WHEN $2 NOT IN ('parked', 'succeeded', 'failed', 'canceled') THEN next_at END
			WHERE id = $1`, work.ID, state)
		work.State = state
		work.Version++
	}
	return work
}

// chain claims payments of which each tries the one before it again, and moves each
// to a state past the ledger.
func (l *ledger) chain(orderNumber string, states ...payment.State) []payment.Work {
	l.t.Helper()
	var chain []payment.Work
	var last payment.ID
	for _, state := range states {
		chain = append(chain, l.move(l.claim(order(l.t, orderNumber, retrying(last)))[0], state))
		last = chain[len(chain)-1].ID
	}
	return chain
}

// waitForLocks waits until n calls of the ledger wait for a lock.
func (l *ledger) waitForLocks(n int) {
	l.t.Helper()
	eventually(l.t, fmt.Sprintf("%d calls wait for a lock", n), func() bool {
		return l.count(`pg_stat_activity WHERE application_name = current_schema() AND wait_event_type = 'Lock'`) == n
	})
}

func eventually(t *testing.T, what string, done func() bool) {
	t.Helper()
	deadline := time.After(waitMax)
	for !done() {
		select {
		case <-deadline:
			t.Fatalf("in vain waited until %s", what)
		case <-time.After(waitStep):
		}
	}
}

const tenant payment.TenantID = "shop"

func idKey(t *testing.T, secret byte) payment.IDKey {
	t.Helper()
	bytes := make([]byte, 32)
	bytes[0] = secret
	key, err := payment.NewIDKey(bytes)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// order makes the request to pay an order, with changes.
func order(t *testing.T, number string, changes ...func(*payment.Draft)) payment.Request {
	t.Helper()
	draft := payment.Draft{
		OrderNumber: number, AmountMinor: 1999, Currency: "EUR", PaymentMethod: "tok_visa",
		Customer: "c_81", Description: "two books", Metadata: map[string]string{"cart": "918273"},
	}
	for _, change := range changes {
		change(&draft)
	}
	request, err := payment.NewRequest(idKey(t, 0), tenant, draft, time.Date(2026, 11, 21, 9, 0, 0, 123e6, time.UTC))
	if err != nil {
		t.Fatal(err)
	}
	return request
}

func orders(t *testing.T, n int) []payment.Request {
	t.Helper()
	var requests []payment.Request
	for i := range n {
		requests = append(requests, order(t, fmt.Sprintf("A-%04d", i)))
	}
	return requests
}

func costing(minor int64) func(*payment.Draft) {
	return func(draft *payment.Draft) { draft.AmountMinor = minor }
}

// retrying makes a request one that tries another payment again.
func retrying(id payment.ID) func(*payment.Draft) {
	return func(draft *payment.Draft) { draft.RetryOf = string(id) }
}

// outcome is what came of a piece of work.
func outcome(work payment.Work, to payment.State, verdict payment.Verdict) payment.Outcome {
	return payment.Outcome{
		ID: work.ID, Tenant: work.Tenant, Version: work.Version, From: work.State, To: to,
		NextIn: time.Hour, Answer: payment.Answer{Verdict: verdict},
	}
}

func mustCode(t *testing.T, err error, want payment.Code) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error, want one with the code %s", want)
	}
	if code, _ := payment.CodeOf(err); code != want {
		t.Fatalf("the error has the code %s, want %s: %v", code, want, err)
	}
}

// together runs n functions at once and waits for them.
func together(n int, run func(i int)) {
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { run(i) })
	}
	wg.Wait()
}

// background starts a call; what it returns waits for it.
func background[T any](call func() (T, error)) func(context.Context) (T, error) {
	type result struct {
		value T
		err   error
	}
	done := make(chan result, 1)
	go func() {
		value, err := call()
		done <- result{value, err}
	}()
	return func(ctx context.Context) (T, error) {
		select {
		case r := <-done:
			return r.value, r.err
		case <-ctx.Done():
			var none T
			return none, ctx.Err()
		}
	}
}
