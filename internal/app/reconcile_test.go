package app_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/paybuf/paybuf/internal/app"
	"github.com/paybuf/paybuf/internal/local/localtest"
	"github.com/paybuf/paybuf/payment"
	"github.com/paybuf/paybuf/processor/payer/simulator"
)

// A payer that charges twice by itself raises the alarm, and a restart does not
// silence it.
func TestReconcile_thePayersOwnDoubleRaisesTheAlarmUntilItIsResolved(t *testing.T) {
	t.Parallel()
	payer := newPayer(t, func(o *simulator.Options) { o.Double = 1 })
	in := installOn(t, localtest.Postgres(t), payer)
	opts := in.options(app.Roles()...)
	opts.StatementURL, opts.Reconcile.Every, opts.Reconcile.Poll = "/statement", time.Second, 50*time.Millisecond
	p := in.startWith(opts)
	p.awaitReady("")
	c := in.client(p, "acme")
	c.awaitSucceeded(c.acceptMany("A-", 2))

	const alarm = `paybuf_reconcile_discrepancies{kind="doubled"} `
	says := func(p *process, line string) bool {
		return strings.Contains(newCaller(t, p.app.OperatorURL(), "").get("/metrics").text, line+"\n")
	}
	eventually(t, "the alarm", func() bool { return says(p, alarm+"2") })
	p.stop()
	opts.StatementURL = ""
	p = in.startWith(opts)
	eventually(t, "the alarm after a restart", func() bool { return says(p, alarm+"2") })
	equal(t, "never succeeded", says(p, "paybuf_reconcile_last_success_timestamp_seconds 0"), false)

	admin := in.admin(false)
	open, err := admin.Discrepancies(t.Context(), 0, 10)
	if err != nil || len(open) != 2 {
		t.Fatalf("open are %+v, %v", open, err)
	}
	for _, d := range open {
		if err := admin.ResolveDiscrepancy(t.Context(), d.ID, "ada", "refunded"); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "no alarm", func() bool { return says(p, alarm+"0") })
}

// The payer cannot be asked and its answer was lost: a statement in the directory
// is what settles the payment.
func TestReconcile_aFileSettlesWhatOnlyAPersonCouldHave(t *testing.T) {
	t.Parallel()
	payer := newPayer(t, func(o *simulator.Options) { o.Faults.ResetAfter, o.NoLookup = 1, true })
	in := installOn(t, localtest.Postgres(t), payer)
	opts := in.options(app.Roles()...)
	opts.Payer.Traits = &payment.Traits{} // neither keys nor look-ups
	opts.Reconcile.Dir = t.TempDir()
	opts.Reconcile.Poll, opts.Reconcile.Unchanged = 50*time.Millisecond, 100*time.Millisecond
	p := in.startWith(opts)
	p.awaitReady("")
	c := in.client(p, "acme")
	id := c.accept("A-1", 1999).shown.ID
	eventually(t, "it is parked", func() bool { return c.get("/v1/payments/"+string(id)).shown.State == payment.Parked })

	var statement strings.Builder
	if err := app.WriteStatement(&statement, payer.opts.Ledger, time.Time{}, time.Time{}); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(opts.Reconcile.Dir, "monday.csv"), []byte(statement.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	eventually(t, "it is settled", func() bool { return c.get("/v1/payments/"+string(id)).shown.State == payment.Succeeded })
	eventually(t, "it is counted", func() bool {
		return strings.Contains(newCaller(t, p.app.OperatorURL(), "").get("/metrics").text, "paybuf_reconcile_settled_total 1\n")
	})
	equal(t, "evidence", in.count("SELECT excerpt FROM attempts WHERE kind = 'statement'"), "statement monday.csv line 2")
	payer.wantOnce(map[payment.ID]int64{id: 1999})
}

func TestReconcile_aDirectoryThatIsNotThereIsAnErrorOfTheStart(t *testing.T) {
	t.Parallel()
	in := install(t)
	opts := in.options(app.Roles()...)
	opts.Reconcile.Dir = filepath.Join(t.TempDir(), "none")
	if code, detail := payment.CodeOf(in.startError(opts)); code != payment.CodeConfig || !strings.Contains(detail, "--statement-dir") {
		t.Errorf("got %s: %s", code, detail)
	}
}
