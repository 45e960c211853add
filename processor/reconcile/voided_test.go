package reconcile_test

import (
	"strings"
	"testing"
	"time"

	"github.com/paybuf/paybuf/payment"
)

// A worker may take a charge back while a statement that shows it is being judged.
func TestRun_whatSucceededByAStatementAndWasVoidedSinceIsMissing(t *testing.T) {
	t.Parallel()
	b := newBook(t)
	id := b.put("A-1", payment.Unknown)
	b.wantOpen(b.run("monday", row(id, "ch_1")))
	b.wantState(id, payment.Succeeded)

	around := payment.Period{From: ago(time.Hour), Until: ago(-10 * time.Minute)}
	voided := strings.Replace(row(id, "ch_1"), "succeeded", "voided", 1)
	b.wantOpen(b.runIn("tuesday", around, voided), payment.DiscrepancyMissing)
	b.wantOpen(b.runIn("tuesday again", around, voided), payment.DiscrepancyMissing)

	if got := b.runIn("wednesday", around, row(id, "ch_2")); got.Open[payment.DiscrepancyMissing] != 0 {
		t.Errorf("a charge that stands is shown, and %+v is open", got.Open)
	}
	if got := b.count("discrepancies WHERE resolved_at IS NULL"); got != 0 {
		t.Errorf("%d are open, want none", got)
	}
}

// What was refunded had been charged.
func TestRun_whatWasRefundedIsNotMissing(t *testing.T) {
	t.Parallel()
	b := newBook(t)
	id := b.put("A-1", payment.Succeeded)
	around := payment.Period{From: ago(time.Hour), Until: ago(-10 * time.Minute)}
	b.wantOpen(b.runIn("monday", around, strings.Replace(row(id, "ch_1"), "succeeded", "refunded", 1)))
}
