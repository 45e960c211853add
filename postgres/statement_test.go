package postgres_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/paybuf/paybuf/payment"
	"github.com/paybuf/paybuf/postgres"
)

func line(reference payment.ID, chargeID string) payment.StatementLine {
	return payment.StatementLine{
		ChargeID: chargeID, Reference: string(reference), Status: payment.ChargeSucceeded, AmountMinor: 1999,
		Currency: "EUR", ChargedAt: time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC), Number: 2,
	}
}

// told keeps lines and gives what is to be judged.
func (l *ledger) told(lines ...payment.StatementLine) []payment.StatedCharge {
	l.t.Helper()
	if err := l.KeepLines(l.t.Context(), "monday", lines); err != nil {
		l.t.Fatal(err)
	}
	charges, err := l.UnjudgedCharges(l.t.Context(), "", 100)
	if err != nil {
		l.t.Fatal(err)
	}
	return charges
}

func (l *ledger) judge(judgements ...payment.ChargeJudgement) (late []payment.ChargeJudgement) {
	l.t.Helper()
	late, err := l.JudgeCharges(l.t.Context(), judgements)
	if err != nil {
		l.t.Fatal(err)
	}
	return late
}

func TestKeepLines_theLastOfABatchCountsAndRefundsStay(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	changed, refunded := line("pay_1", "ch_1"), line("pay_1", "ch_2")
	changed.AmountMinor, changed.Number, refunded.Status = 5, 9, payment.ChargeRefunded
	charges := l.told(line("pay_1", "ch_1"), refunded, changed)
	if len(charges) != 2 || charges[0].AmountMinor != 5 || charges[0].Number != 9 || charges[0].Revision != 1 || charges[0].Ours {
		t.Errorf("got %+v", charges)
	}
	charges = l.told(line("pay_1", "ch_2"))
	if got := charges[1]; got.Status != payment.ChargeRefunded || got.Revision != 2 {
		t.Errorf("an older statement undid a refund: %+v", got)
	}
}

func TestUnjudgedCharges_countWhatStandsUnderTheWholeChain(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	first := l.put("A-1", payment.Failed)
	second := l.claim(order(t, "A-1", func(d *payment.Draft) { d.RetryOf = string(first.ID) }))[0]
	other := l.put("A-2", payment.Succeeded)
	later := line(second.ID, "ch_1")
	later.ChargedAt = later.ChargedAt.Add(time.Second)
	voided := line(first.ID, "ch_4")
	voided.Status = payment.ChargeVoided
	charges := l.told(later, line(first.ID, "ch_2"), line(other.ID, "ch_3"), voided)
	for i, want := range []struct {
		state             payment.State
		standing, earlier int
	}{{payment.Paying, 2, 1}, {payment.Failed, 2, 0}, {payment.Succeeded, 1, 0}, {payment.Failed, 2, 1}} {
		got := charges[i]
		if !got.Ours || got.State != want.state || got.Standing != want.standing || got.Earlier != want.earlier || got.Money.Minor() != 1999 {
			t.Errorf("%s: got %+v, want %+v", got.ChargeID, got, want)
		}
	}
	page, err := l.UnjudgedCharges(t.Context(), "ch_2", 1)
	if err != nil || len(page) != 1 || page[0].ChargeID != "ch_3" {
		t.Errorf("after ch_2 comes %+v, %v", page, err)
	}
}

func TestJudgeCharges_refusesWhatAStatementMayNotDo(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	for _, from := range payment.States() {
		for _, to := range payment.States() {
			if from.MayBecome(to) && (to == payment.Succeeded || to == payment.Parked) {
				continue
			}
			_, err := l.JudgeCharges(t.Context(), []payment.ChargeJudgement{{
				StatedCharge: payment.StatedCharge{StatementLine: line("pay_1", "ch_1"), State: from}, To: to,
			}})
			mustCode(t, err, payment.CodeInvalid)
		}
	}
	_, err := l.JudgeCharges(t.Context(), make([]payment.ChargeJudgement, postgres.BatchMax+1))
	mustCode(t, err, payment.CodeInvalid)
	mustCode(t, l.KeepLines(t.Context(), "monday", make([]payment.StatementLine, postgres.BatchMax+1)), payment.CodeInvalid)
}

func TestJudgeCharges_writesNothingAboutAPaymentThatHasMovedOn(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	moved, still := l.put("A-1", payment.Unknown), l.put("A-2", payment.Unknown)
	charges := l.told(line(moved.ID, "ch_1"), line(still.ID, "ch_2"))
	l.makeDue(moved.ID)
	judgements := make([]payment.ChargeJudgement, 2)
	for i, charge := range charges {
		judgements[i] = payment.ChargeJudgement{
			StatedCharge: charge, To: payment.Succeeded,
			Findings: []payment.Finding{{Kind: payment.DiscrepancyForeign, Detail: "x"}},
		}
	}
	late := l.judge(judgements...)
	if len(late) != 1 || late[0].ChargeID != "ch_1" {
		t.Errorf("late are %+v", late)
	}
	if got := l.read(moved.ID); got.State != payment.Unknown {
		t.Errorf("the moved payment is %s", got.State)
	}
	if got := l.read(still.ID); got.State != payment.Succeeded || got.PayerReference != "ch_2" || !got.NextAt.IsZero() {
		t.Errorf("the other is %+v", got)
	}
	if l.count("statement_lines WHERE judged") != 1 || l.count("discrepancies") != 1 || l.count("attempts WHERE kind = 'statement'") != 1 {
		t.Error("something was written about the payment that has moved on")
	}
}

func TestJudgeCharges_parksOnceHoweverManyChargesThereAre(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	work := l.put("A-1", payment.Retrying)
	var judgements []payment.ChargeJudgement
	for _, charge := range l.told(line(work.ID, "ch_1"), line(work.ID, "ch_2")) {
		judgements = append(judgements, payment.ChargeJudgement{
			StatedCharge: charge, To: payment.Parked, Reason: payment.Failure{Code: payment.FailureStatementDisagrees, Message: "m"},
		})
	}
	if late := l.judge(judgements...); len(late) != 0 {
		t.Errorf("late are %+v", late)
	}
	if p := l.read(work.ID); p.State != payment.Parked || p.Version != work.Version+1 || p.Failure.Code != payment.FailureStatementDisagrees {
		t.Errorf("the payment is %+v", p)
	}
	if l.count("statement_lines WHERE judged") != 2 || l.count("events WHERE state = 'parked'") != 1 {
		t.Error("not both lines are judged, or not one event tells of it")
	}
	if works := l.take(); len(works) != 0 {
		t.Error("it would be charged again")
	}
}

func TestClaimStatement_isForOneAtATimeAndOnceOnly(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	run := payment.StatementRun{Name: "monday", Digest: "d", Owner: "a"}
	want := func(owner string, want payment.StatementClaim) {
		t.Helper()
		run := run
		run.Owner = owner
		if got, err := l.ClaimStatement(t.Context(), run, lease); err != nil || got != want {
			t.Errorf("%s gets %d, %v, want %d", owner, got, err, want)
		}
	}
	var ours [8]payment.StatementClaim
	together(len(ours), func(i int) {
		run := payment.StatementRun{Name: "tuesday", Owner: fmt.Sprint(i)}
		ours[i], _ = l.ClaimStatement(t.Context(), run, lease)
	})
	owners := 0
	for _, claim := range ours {
		if claim == payment.StatementOurs {
			owners++
		}
	}
	if owners != 1 {
		t.Errorf("%d own one statement", owners)
	}
	want("a", payment.StatementOurs)
	want("a", payment.StatementOurs) // extended
	want("b", payment.StatementHeld)
	l.exec("UPDATE statements SET leased_until = now() - interval '1 second'")
	want("b", payment.StatementOurs)
	want("a", payment.StatementHeld)
	if last, err := l.LastStatement(t.Context()); err != nil || !last.IsZero() {
		t.Errorf("the latest is %v, %v, before any is done", last, err)
	}
	run.Failure = strings.Repeat("x", 5000)
	if err := l.FinishStatement(t.Context(), run); err != nil {
		t.Fatal(err)
	}
	want("b", payment.StatementDone)
	if last, err := l.LastStatement(t.Context()); err != nil || !last.IsZero() {
		t.Errorf("a failure counts as success: %v, %v", last, err)
	}
	if err := l.FinishStatement(t.Context(), payment.StatementRun{Name: "tuesday"}); err != nil {
		t.Fatal(err)
	}
	if last, err := l.LastStatement(t.Context()); err != nil || time.Since(last) > time.Minute {
		t.Errorf("the latest is %v, %v", last, err)
	}
	_, err := l.ClaimStatement(t.Context(), run, 0)
	mustCode(t, err, payment.CodeInvalid)
}

func TestTables_resolutionsStay(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	l.judge(payment.ChargeJudgement{
		StatedCharge: l.told(line("pay_1", "ch_1"))[0],
		Findings:     []payment.Finding{{Kind: payment.DiscrepancyForeign, Detail: "x"}},
	})
	open, err := l.Discrepancies(t.Context(), 0, 10)
	if err != nil || len(open) != 1 {
		t.Fatalf("%+v, %v", open, err)
	}
	if err := l.ResolveDiscrepancy(t.Context(), open[0].ID, "ada", "ours"); err != nil {
		t.Fatal(err)
	}
	mustCode(t, l.ResolveDiscrepancy(t.Context(), open[0].ID, "bob", "no"), payment.CodeNotFound)
	for _, sql := range []string{
		"UPDATE discrepancies SET reason = 'other'", "UPDATE discrepancies SET resolved_at = NULL, resolved_by = NULL, reason = NULL",
		"DELETE FROM discrepancies", "TRUNCATE discrepancies",
		"INSERT INTO discrepancies (kind, reference, charge_id, detail, statement, first_at, last_at) VALUES ('odd', '', '', '', '', now(), now())",
		"UPDATE statement_lines SET status = 'pending'",
	} {
		l.refuses("23", sql)
	}
}
