package reconcile_test

import (
	"testing"
	"time"

	"github.com/paybuf/paybuf/payment"
)

// Of statements that join, years of them, only those count that a payment's life
// reaches into.
func TestRun_yearsOfStatementsDoNotSlowTheSearchForWhatIsMissing(t *testing.T) {
	t.Parallel()
	b := newBook(t)
	b.query(`INSERT INTO statements (name, digest, owner, leased_until, period_from, period_until, started_at, done_at)
		SELECT 'payer ' || n, 'period', 'o', now(), now() - (n + 1) * interval '1 hour', now() - n * interval '1 hour', now(), now()
		  FROM generate_series(0, 20000) n`)
	b.query("ANALYZE statements")
	b.put("A-1", payment.Succeeded)
	around := payment.Period{From: ago(time.Hour), Until: ago(-10 * time.Minute)}
	b.wantOpen(b.runIn("today", around), payment.DiscrepancyMissing)
}
