package reconcile_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/paybuf/paybuf/payment"
	"github.com/paybuf/paybuf/processor/reconcile"
)

func TestRun_aStatementThatAgreesIsClean(t *testing.T) {
	t.Parallel()
	b := newBook(t)
	summary := b.run("monday", row(b.put("A-1", payment.Succeeded), "ch_1"), row(b.put("A-2", payment.Succeeded), "ch_2"))
	b.wantOpen(summary)
	if summary.Lines != 2 || summary.Charges != 2 || summary.Settled != 0 || b.count("statement_lines WHERE judged") != 2 {
		t.Errorf("got %+v", summary)
	}
}

func TestRun_doubledIsFoundWithinAndAcrossStatements(t *testing.T) {
	t.Parallel()
	b := newBook(t)
	within, across := b.put("A-1", payment.Succeeded), b.put("A-2", payment.Succeeded)
	b.wantOpen(b.run("monday", row(within, "ch_1"), row(across, "ch_2"), row(within, "ch_3")), payment.DiscrepancyDoubled)
	b.wantOpen(b.run("tuesday", row(across, "ch_4")), payment.DiscrepancyDoubled)
	if got := strings.Join(b.query("SELECT charge_id FROM discrepancies ORDER BY charge_id"), " "); got != "ch_3 ch_4" {
		t.Errorf("doubled are %s", got)
	}
}

// Both links of a chain were charged: each for itself looks right.
func TestRun_twoChargedPaymentsOfOneOrderAreDoubled(t *testing.T) {
	t.Parallel()
	b := newBook(t)
	first := b.put("A-1", payment.Failed)
	second := b.putRequest(request(t, "A-1", first), payment.Succeeded)
	b.wantOpen(b.run("monday", row(first, "ch_1"), row(second, "ch_2")),
		payment.DiscrepancyDoubled, payment.DiscrepancyNotSucceeded)
	b.wantState(first, payment.Failed)
	b.wantState(second, payment.Succeeded)
}

func TestRun_wrongAmountAndForeignAreFound(t *testing.T) {
	t.Parallel()
	b := newBook(t)
	id := b.put("A-1", payment.Succeeded)
	other := strings.Replace(row(b.put("A-2", payment.Succeeded), "ch_2"), "EUR", "USD", 1)
	b.wantOpen(b.run("monday", strings.Replace(row(id, "ch_1"), "1999", "2000", 1), other,
		row("", "ch_3"), row("rent", "ch_4"), row("rent", "ch_5")),
		payment.DiscrepancyWrongAmount, payment.DiscrepancyWrongAmount,
		payment.DiscrepancyForeign, payment.DiscrepancyForeign, payment.DiscrepancyForeign)
	if got := b.query("SELECT detail FROM discrepancies WHERE charge_id = 'ch_1'")[0]; got != "2000 EUR charged, 1999 EUR asked for" {
		t.Errorf("it says %q", got)
	}
}

func TestRun_aFinalStateNeverChanges(t *testing.T) {
	t.Parallel()
	b := newBook(t)
	for _, state := range []payment.State{payment.Failed, payment.Canceled} {
		id := b.put("of "+string(state), state)
		_, version := b.state(id)
		b.wantOpen(b.run("of "+string(state), row(id, "ch_"+string(state))), payment.DiscrepancyNotSucceeded)
		if got, now := b.state(id); got != state || now != version {
			t.Errorf("%s became %s in version %d", state, got, now)
		}
	}
}

func TestRun_settlesWhatIsUnknownPendingOrParkedOnce(t *testing.T) {
	t.Parallel()
	b := newBook(t)
	for _, state := range []payment.State{payment.Unknown, payment.Pending, payment.Parked} {
		id := b.put("of "+string(state), state)
		_, version := b.state(id)
		for pass := range 2 {
			summary := b.run("s.csv", row(id, "ch_"+string(state)))
			b.wantOpen(summary)
			if want := int64(1 - pass); summary.Settled != want {
				t.Errorf("%s: %d settled, want %d", state, summary.Settled, want)
			}
		}
		if got, now := b.state(id); got != payment.Succeeded || now != version+1 {
			t.Errorf("%s became %s in version %d", state, got, now)
		}
		evidence := b.query(`SELECT kind || ' ' || verdict || ' ' || payer_reference || ' ' || excerpt FROM attempts
			WHERE kind = 'statement' AND payment_id = '` + string(id) + "'")
		if want := "statement charged ch_" + string(state) + " statement s.csv line 2"; len(evidence) != 1 || evidence[0] != want {
			t.Errorf("the evidence is %v, want %s", evidence, want)
		}
		if n := b.count("events WHERE type = 'payment.succeeded' AND payment_id = '" + string(id) + "'"); n != 1 {
			t.Errorf("%s: %d events", state, n)
		}
	}
	if n := b.count("payments WHERE payer_reference LIKE 'ch_%' AND next_at IS NULL AND failure_code = ''"); n != 3 {
		t.Errorf("%d payments have the charge's id, want 3", n)
	}
}

// The payer said "not charged" and its statement says otherwise: it must not be
// charged again, and no machine decides.
func TestRun_retryingIsParkedAndStaysForAPerson(t *testing.T) {
	t.Parallel()
	b := newBook(t)
	id := b.put("A-1", payment.Retrying)
	for pass := range 2 {
		summary := b.run("monday", row(id, "ch_1"))
		b.wantOpen(summary, payment.DiscrepancyNotSucceeded)
		if want := int64(1 - pass); summary.Parked != want {
			t.Errorf("%d parked, want %d", summary.Parked, want)
		}
		b.wantState(id, payment.Parked)
	}
	if got := b.query("SELECT failure_code FROM payments")[0]; got != payment.FailureStatementDisagrees {
		t.Errorf("the failure is %s", got)
	}
	// A person has decided.
	b.query("UPDATE payments SET state = 'succeeded', version = version + 1")
	b.wantOpen(b.run("monday", row(id, "ch_1")))
	if got := b.query("SELECT resolved_by FROM discrepancies")[0]; got != "paybuf" {
		t.Errorf("it was resolved by %s", got)
	}
}

func TestRun_aScheduledPaymentIsAnAlarmAndStaysScheduled(t *testing.T) {
	t.Parallel()
	b := newBook(t)
	id := b.put("A-1", payment.Scheduled)
	b.wantOpen(b.run("monday", row(id, "ch_1")), payment.DiscrepancyNotSucceeded)
	b.wantState(id, payment.Scheduled)
}

func TestRun_whatAWorkerHoldsIsJudgedByTheNextRun(t *testing.T) {
	t.Parallel()
	b := newBook(t)
	id := b.put("A-1", payment.Paying)
	summary := b.run("monday", row(id, "ch_1"))
	b.wantOpen(summary)
	if summary.UnderWay != 1 || b.count("statement_lines WHERE NOT judged") != 1 {
		t.Errorf("got %+v", summary)
	}
	b.query("UPDATE payments SET state = 'unknown', version = version + 1") // its answer was lost
	if summary = b.run("tuesday"); summary.Settled != 1 || summary.UnderWay != 0 {
		t.Errorf("got %+v", summary)
	}
	b.wantState(id, payment.Succeeded)
}

func TestRun_missingIsAnAlarmWithinThePeriodAndChangesNothing(t *testing.T) {
	t.Parallel()
	b := newBook(t)
	id := b.put("A-1", payment.Succeeded)
	b.put("A-2", payment.Unknown) // not succeeded: nothing is missing
	_, version := b.state(id)
	first, second := ago(2*time.Hour), ago(28*time.Minute)
	b.wantOpen(b.runIn("before", payment.Period{From: ago(3 * time.Hour), Until: first}))
	b.wantOpen(b.runIn("at its end", payment.Period{From: first, Until: second})) // too close to tell
	b.wantOpen(b.runIn("after a gap", payment.Period{From: second.Add(time.Second), Until: ago(0)}))
	b.wantOpen(b.runIn("next to it", payment.Period{From: second, Until: ago(0)}), payment.DiscrepancyMissing)
	b.wantState(id, payment.Succeeded)
	if _, now := b.state(id); now != version {
		t.Error("the absence of a charge changed a payment")
	}
	b.wantOpen(b.run("late", row(id, "ch_1"))) // it came after all
	if n := b.count("discrepancies WHERE resolved_at IS NULL"); n != 0 {
		t.Errorf("%d are open after the charge has come", n)
	}
}

// The charge may have been made as long ago as the first attempt, in a time that
// no statement told of.
func TestRun_aChargeThatMayBeOlderThanAllStatementsIsNotMissing(t *testing.T) {
	t.Parallel()
	b := newBook(t)
	b.put("A-1", payment.Succeeded)
	b.putRequest(request(t, "A-2", ""), payment.Unknown)
	b.query(`UPDATE payments SET first_attempt_at = now() - interval '3 hours', version = version + 1 WHERE order_number = 'A-2'`)
	b.query(`UPDATE payments SET state = 'succeeded', next_at = NULL, version = version + 1 WHERE order_number = 'A-2'`)
	summary := b.run("noon")
	b.wantOpen(summary, payment.DiscrepancyMissing) // A-1 alone
	b.runIn("morning", payment.Period{From: ago(5 * time.Hour), Until: ago(50 * time.Minute)})
	b.wantOpen(b.run("noon"), payment.DiscrepancyMissing, payment.DiscrepancyMissing)
}

func TestRun_theSameFileAgainChangesNothing(t *testing.T) {
	t.Parallel()
	b := newBook(t)
	id, unknown := b.put("A-1", payment.Succeeded), b.put("A-2", payment.Unknown)
	b.put("A-3", payment.Succeeded)
	rows := []string{row(id, "ch_1"), row(id, "ch_2"), row(unknown, "ch_3"), row("rent", "ch_4")}
	kinds := []payment.DiscrepancyKind{payment.DiscrepancyDoubled, payment.DiscrepancyForeign, payment.DiscrepancyMissing}
	b.wantOpen(b.run("monday", rows...), kinds...)
	const all = `SELECT string_agg(t, ';' ORDER BY t) FROM (
		SELECT id || state || version || payer_reference AS t FROM payments UNION ALL
		SELECT sequence || type FROM events UNION ALL
		SELECT payment_id || version || kind FROM attempts UNION ALL
		SELECT kind || reference || charge_id || detail || statement || first_at FROM discrepancies) x`
	before := b.query(all)[0]
	for range 3 {
		b.wantOpen(b.run("monday", rows...), kinds...)
	}
	if after := b.query(all)[0]; after != before {
		t.Errorf("before %s\nafter  %s", before, after)
	}
}

func TestRun_whatWasResolvedStaysResolved(t *testing.T) {
	t.Parallel()
	b := newBook(t)
	rows := []string{row("rent", "ch_1")}
	b.wantOpen(b.run("monday", rows...), payment.DiscrepancyForeign)
	open, err := b.Discrepancies(t.Context(), 0, 10)
	if err != nil || len(open) != 1 {
		t.Fatalf("%+v, %v", open, err)
	}
	if err := b.ResolveDiscrepancy(t.Context(), open[0].ID, "ada", "our rent"); err != nil {
		t.Fatal(err)
	}
	b.wantOpen(b.run("monday", rows...))
	if err := b.ResolveDiscrepancy(t.Context(), open[0].ID, "bob", "no"); err == nil {
		t.Error("it was resolved twice")
	}
	if got := b.query("SELECT resolved_by || ': ' || reason FROM discrepancies")[0]; got != "ada: our rent" {
		t.Errorf("on record is %s", got)
	}
}

func TestRun_aDoubleThatWasRefundedIsOver(t *testing.T) {
	t.Parallel()
	b := newBook(t)
	id := b.put("A-1", payment.Succeeded)
	b.wantOpen(b.run("monday", row(id, "ch_1"), row(id, "ch_2")), payment.DiscrepancyDoubled)
	b.wantOpen(b.run("tuesday", strings.Replace(row(id, "ch_2"), "succeeded", "refunded", 1)))
	// The older statement, read again, does not undo the refund.
	b.wantOpen(b.run("monday", row(id, "ch_1"), row(id, "ch_2")))
}

// With the wrong unit every amount is wrong; with the right one none is.
func TestRun_aMappingThatWasPutRightClosesWhatItHadFound(t *testing.T) {
	t.Parallel()
	b := newBook(t)
	right := row(b.put("A-1", payment.Succeeded), "ch_1")
	b.wantOpen(b.run("monday", strings.Replace(right, "1999", "199900", 1)), payment.DiscrepancyWrongAmount)
	b.wantOpen(b.run("monday", right))
}

func TestRun_aMalformedFileSettlesNothing(t *testing.T) {
	t.Parallel()
	b := newBook(t)
	id := b.put("A-1", payment.Unknown)
	missing := b.put("A-2", payment.Succeeded)
	_, err := reconcile.New(b.DB).Run(t.Context(), reconcile.Statement{
		Name: "monday", Source: strings.NewReader(header + row(id, "ch_1") + "pay_x,ch_2,succeeded,much,EUR,now\n"), Period: hour(),
	})
	wrong, ok := errors.AsType[*reconcile.FormatError](err)
	if !ok || wrong.Line != 3 || wrong.Column != "amount" {
		t.Fatalf("got %v", err)
	}
	b.wantState(id, payment.Unknown)
	if b.count("discrepancies") != 0 || b.count("statements") != 0 {
		t.Error("something follows from a file that was not read")
	}
	b.wantOpen(b.run("monday", row(id, "ch_1"), row(missing, "ch_2")))
	b.wantState(id, payment.Succeeded)
}
