package reconcile_test

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/paybuf/paybuf/internal/local/localtest"
	"github.com/paybuf/paybuf/payment"
	"github.com/paybuf/paybuf/postgres"
	"github.com/paybuf/paybuf/processor/reconcile"
)

func TestMain(m *testing.M) { localtest.Main(m) }

const (
	tenant payment.TenantID = "shop"
	lease                   = time.Minute
	header                  = "reference,charge_id,status,amount,currency,charged_at\n"
)

// book is a real ledger on a schema of its own.
type book struct {
	*postgres.DB
	t   *testing.T
	url string
}

func newBook(t *testing.T) *book {
	t.Helper()
	url := localtest.Postgres(t)
	if _, err := postgres.Migrate(t.Context(), url); err != nil {
		t.Fatal(err)
	}
	db, err := postgres.Open(t.Context(), url, postgres.Config{ConnsMax: 8})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	return &book{DB: db, t: t, url: url}
}

// query reads one column past the ledger.
func (b *book) query(sql string) []string {
	b.t.Helper()
	return localtest.Query(b.t, b.url, sql)
}

func (b *book) count(from string) int {
	b.t.Helper()
	n, err := strconv.Atoi(b.query("SELECT count(*) FROM " + from)[0])
	if err != nil {
		b.t.Fatal(err)
	}
	return n
}

// request is that of 19.99 EUR for an order.
func request(t *testing.T, order string, retryOf payment.ID) payment.Request {
	t.Helper()
	key, err := payment.NewIDKey(make([]byte, 32))
	if err != nil {
		t.Fatal(err)
	}
	made, err := payment.NewRequest(key, tenant, payment.Draft{
		OrderNumber: order, AmountMinor: 1999, Currency: "EUR", PaymentMethod: "tok_visa", RetryOf: string(retryOf),
	}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return made
}

// put claims an order and moves it to a state past the ledger. It happened half an
// hour ago.
func (b *book) put(order string, state payment.State) payment.ID {
	b.t.Helper()
	return b.putRequest(request(b.t, order, ""), state)
}

func (b *book) putRequest(made payment.Request, state payment.State) payment.ID {
	b.t.Helper()
	claimed, err := b.Claim(b.t.Context(), []payment.Request{made}, nil, lease)
	if err != nil || len(claimed.Works) != 1 {
		b.t.Fatalf("%d claimed, %v", len(claimed.Works), err)
	}
	b.query(fmt.Sprintf(`UPDATE payments SET state = '%s', version = version + 1,
		first_attempt_at = first_attempt_at - interval '30 minutes', updated_at = updated_at - interval '30 minutes',
		next_at = CASE WHEN '%[1]s' NOT IN ('parked', 'succeeded', 'failed', 'canceled') THEN next_at END
		WHERE id = '%[2]s'`, state, made.ID))
	return made.ID
}

// state is the state and version of a payment now.
func (b *book) state(id payment.ID) (payment.State, int64) {
	b.t.Helper()
	p, err := b.Payment(b.t.Context(), tenant, id)
	if err != nil {
		b.t.Fatal(err)
	}
	return p.State, p.Version
}

func (b *book) wantState(id payment.ID, want payment.State) {
	b.t.Helper()
	if got, _ := b.state(id); got != want {
		b.t.Errorf("the payment is %s, want %s", got, want)
	}
}

// row is a line of 19.99 EUR, charged half an hour ago.
func row(reference payment.ID, chargeID string) string {
	return fmt.Sprintf("%s,%s,succeeded,1999,EUR,%s\n", reference, chargeID, ago(30*time.Minute).Format(time.RFC3339))
}

func ago(d time.Duration) time.Time { return time.Now().UTC().Add(-d) }

// hour is a period around what put and row make.
func hour() payment.Period { return payment.Period{From: ago(time.Hour), Until: ago(0)} }

// run reconciles a statement that is right.
func (b *book) run(name string, rows ...string) reconcile.Summary {
	b.t.Helper()
	return b.runIn(name, hour(), rows...)
}

func (b *book) runIn(name string, period payment.Period, rows ...string) reconcile.Summary {
	b.t.Helper()
	summary, err := reconcile.New(b.DB).Run(b.t.Context(), reconcile.Statement{
		Name: name, Source: strings.NewReader(header + strings.Join(rows, "")), Period: period,
	})
	if err != nil {
		b.t.Fatal(err)
	}
	return summary
}

// wantOpen checks what is open of a run, given as kinds.
func (b *book) wantOpen(summary reconcile.Summary, kinds ...payment.DiscrepancyKind) {
	b.t.Helper()
	want := map[payment.DiscrepancyKind]int64{}
	for _, kind := range kinds {
		want[kind]++
	}
	for _, kind := range payment.DiscrepancyKinds() {
		if summary.Open[kind] != want[kind] {
			b.t.Errorf("%s: %d of %s are open, want %d", summary.Statement, summary.Open[kind], kind, want[kind])
		}
	}
	if summary.Clean() != (len(kinds) == 0) {
		b.t.Errorf("%s: clean is %t", summary.Statement, summary.Clean())
	}
}
