package reconcile_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/paybuf/paybuf/payment"
	"github.com/paybuf/paybuf/processor/reconcile"
)

// unknowns are payments whose outcome nobody knows, due to be asked about.
func (b *book) unknowns(n int) (ids []payment.ID) {
	b.t.Helper()
	for i := range n {
		ids = append(ids, b.put(fmt.Sprintf("A-%03d", i), payment.Unknown))
	}
	b.query("UPDATE payments SET version = version + 1, next_at = now() - interval '1 second'")
	return ids
}

// wantSettledOnce checks that each of n payments succeeded by exactly one step.
func (b *book) wantSettledOnce(n int) {
	b.t.Helper()
	if got := b.count("payments WHERE state = 'succeeded' AND payer_reference LIKE 'ch_%'"); got != n {
		b.t.Errorf("%d succeeded, want %d", got, n)
	}
	if got := b.count("events WHERE type = 'payment.succeeded'"); got != n {
		b.t.Errorf("%d events tell of it, want %d", got, n)
	}
	if got := b.count("attempts WHERE verdict = 'charged'"); got != n {
		b.t.Errorf("%d attempts prove it, want %d", got, n)
	}
}

func rowsOf(ids []payment.ID) string {
	var rows strings.Builder
	for i, id := range ids {
		rows.WriteString(row(id, fmt.Sprintf("ch_%03d", i)))
	}
	return rows.String()
}

// lookUp works like a processor that asks the payer: it leases what is due and
// settles what it has learned, until ctx ends.
func (b *book) lookUp(ctx context.Context) {
	for ctx.Err() == nil {
		works, err := b.Lease(ctx, 7, lease)
		if err != nil {
			break
		}
		var outcomes []payment.Outcome
		for _, work := range works {
			outcomes = append(outcomes, payment.Outcome{
				ID: work.ID, Version: work.Version, From: work.State, To: payment.Succeeded,
				Answer: payment.Answer{Verdict: payment.VerdictCharged, PayerReference: "ch_asked"},
			})
		}
		runtime.Gosched()
		if _, err := b.Settle(ctx, outcomes); err != nil {
			break
		}
	}
	if ctx.Err() == nil {
		b.t.Error("the processor stopped")
	}
}

func TestRun_settlesEachOnceBesideAWorkingProcessor(t *testing.T) {
	t.Parallel()
	b := newBook(t)
	const payments = 300
	ids := b.unknowns(payments)
	working, stop := context.WithCancel(t.Context())
	var processor, reconcilers sync.WaitGroup
	processor.Go(func() { b.lookUp(working) })
	for i := range 3 { // the same statement, and all of them at once
		reconcilers.Go(func() {
			_, err := reconcile.New(b.DB).Run(t.Context(), reconcile.Statement{
				Name: fmt.Sprintf("copy %d", i), Source: strings.NewReader(header + rowsOf(ids)), Period: hour(),
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	reconcilers.Wait()
	stop()
	processor.Wait()
	b.run("afterwards", rowsOf(ids)) // what a worker held
	b.wantSettledOnce(payments)
	if n := b.count("discrepancies"); n != 0 {
		t.Errorf("%d discrepancies", n)
	}
}

// Whoever wins, the loser's write finds that the version has moved on.
func TestRun_theFenceDecidesBetweenAStatementAndAWorker(t *testing.T) {
	t.Parallel()
	b := newBook(t)
	ids := b.unknowns(2)
	works, err := b.Lease(t.Context(), 2, lease)
	if err != nil || len(works) != 2 {
		t.Fatalf("%d leased, %v", len(works), err)
	}
	outcome := func(work payment.Work) []payment.Outcome {
		return []payment.Outcome{{
			ID: work.ID, Version: work.Version, From: work.State, To: payment.Succeeded,
			Answer: payment.Answer{Verdict: payment.VerdictCharged, PayerReference: "ch_asked"},
		}}
	}
	if summary := b.run("statement first", row(works[0].ID, "ch_1")); summary.Settled != 1 {
		t.Errorf("got %+v", summary)
	}
	if settled, err := b.Settle(t.Context(), outcome(works[0])); err != nil || settled != 0 {
		t.Errorf("the late worker settled %d, %v", settled, err)
	}
	if settled, err := b.Settle(t.Context(), outcome(works[1])); err != nil || settled != 1 {
		t.Errorf("the worker settled %d, %v", settled, err)
	}
	if summary := b.run("worker first", row(works[1].ID, "ch_2")); summary.Settled != 0 || !summary.Clean() {
		t.Errorf("got %+v", summary)
	}
	b.wantSettledOnce(len(ids))
}

// movingLedger moves a payment between the moment when it is read and the one when
// it is judged.
type movingLedger struct {
	reconcile.Ledger
	move func()
}

func (m *movingLedger) JudgeCharges(ctx context.Context, judgements []payment.ChargeJudgement) ([]payment.ChargeJudgement, error) {
	m.move()
	return m.Ledger.JudgeCharges(ctx, judgements)
}

func TestRun_aPaymentThatMovesMeanwhileIsTriedOnceMore(t *testing.T) {
	t.Parallel()
	b := newBook(t)
	id := b.put("A-1", payment.Unknown)
	run := func(moves int) reconcile.Summary {
		ledger := &movingLedger{Ledger: b.DB, move: func() {
			if moves--; moves >= 0 {
				b.query("UPDATE payments SET version = version + 1")
			}
		}}
		summary, err := reconcile.New(ledger).Run(t.Context(), reconcile.Statement{
			Name: "monday", Source: strings.NewReader(header + row(id, "ch_1")), Period: hour(),
		})
		if err != nil {
			t.Fatal(err)
		}
		return summary
	}
	if summary := run(2); summary.Settled != 0 || summary.UnderWay != 1 {
		t.Errorf("it moved twice, and the run says %+v", summary)
	}
	b.wantState(id, payment.Unknown)
	if summary := run(1); summary.Settled != 1 || summary.UnderWay != 0 {
		t.Errorf("it moved once, and the run says %+v", summary)
	}
	b.wantSettledOnce(1)
}

// A line that another statement tells anew while it is judged is judged anew.
func TestRun_aLineThatChangesMeanwhileStaysToBeJudged(t *testing.T) {
	t.Parallel()
	b := newBook(t)
	id := b.put("A-1", payment.Succeeded)
	changed := false
	ledger := &movingLedger{Ledger: b.DB, move: func() {
		if !changed {
			changed = true
			b.query("UPDATE statement_lines SET amount_minor = 5, revision = revision + 1, judged = false")
		}
	}}
	_, err := reconcile.New(ledger).Run(t.Context(), reconcile.Statement{
		Name: "monday", Source: strings.NewReader(header + row(id, "ch_1")), Period: hour(),
	})
	if err != nil {
		t.Fatal(err)
	}
	if n := b.count("statement_lines WHERE NOT judged"); n != 1 {
		t.Error("a verdict about what a line said before counts for what it says now")
	}
	b.wantOpen(b.run("tuesday"))
	if n := b.count("discrepancies WHERE kind = 'wrong_amount'"); n != 1 {
		t.Errorf("%d wrong amounts are found", n)
	}
}

// failingLedger breaks off where it is told, as a killed process does.
type failingLedger struct {
	reconcile.Ledger
	left int // calls until it fails
}

var errKilled = errors.New("killed")

func (f *failingLedger) spend() error {
	if f.left--; f.left < 0 {
		return errKilled
	}
	return nil
}

func (f *failingLedger) KeepLines(ctx context.Context, statement string, lines []payment.StatementLine) error {
	return errors.Join(f.spend(), f.Ledger.KeepLines(ctx, statement, lines))
}

func (f *failingLedger) JudgeCharges(ctx context.Context, js []payment.ChargeJudgement) ([]payment.ChargeJudgement, error) {
	if err := f.spend(); err != nil {
		return nil, err
	}
	late, err := f.Ledger.JudgeCharges(ctx, js)
	return late, errors.Join(err, f.spend()) // the commit's answer may be lost too
}

func (f *failingLedger) RecordMissing(
	ctx context.Context, run payment.StatementRun, margin time.Duration, after payment.MissingCursor, limit int,
) (payment.MissingCursor, bool, error) {
	next, more, err := f.Ledger.RecordMissing(ctx, run, margin, after, limit)
	return next, more, errors.Join(err, f.spend())
}

func (f *failingLedger) FinishStatement(ctx context.Context, run payment.StatementRun) error {
	return errors.Join(f.spend(), f.Ledger.FinishStatement(ctx, run))
}

func TestRun_whereverItBreaksOffTheNextRunCompletesIt(t *testing.T) {
	t.Parallel()
	b := newBook(t)
	for calls := 0; ; calls++ {
		id := b.put(fmt.Sprintf("U-%d", calls), payment.Unknown)
		b.put(fmt.Sprintf("M-%d", calls), payment.Succeeded)
		charge := fmt.Sprintf("ch_%d", calls)
		statement := func() reconcile.Statement {
			return reconcile.Statement{
				Name: fmt.Sprintf("file %d", calls), Period: hour(),
				Source: strings.NewReader(header + row(id, charge) + row("rent", charge+"_rent")),
			}
		}
		_, err := reconcile.New(&failingLedger{Ledger: b.DB, left: calls}).Run(t.Context(), statement())
		if err == nil {
			break // no more places to break off at
		}
		if !errors.Is(err, errKilled) {
			t.Fatal(err)
		}
		if _, err := reconcile.New(b.DB).Run(t.Context(), statement()); err != nil {
			t.Fatal(err)
		}
		b.wantState(id, payment.Succeeded)
		if got := b.count("events WHERE type = 'payment.succeeded'"); got != calls+1 {
			t.Errorf("broken off at call %d: %d events, want %d", calls, got, calls+1)
		}
		if got := b.count("discrepancies WHERE kind = 'missing'"); got != calls+1 {
			t.Errorf("broken off at call %d: %d missing, want %d", calls, got, calls+1)
		}
		if calls > 50 {
			t.Fatal("it never ends")
		}
	}
}

// rowSource makes lines as they are read, so that only what the run keeps counts.
type rowSource struct {
	left, made int
	text       strings.Reader
}

func (s *rowSource) Read(into []byte) (int, error) {
	if s.text.Len() == 0 {
		if s.left == 0 {
			return 0, io.EOF
		}
		s.left--
		s.made++
		s.text.Reset(fmt.Sprintf("rent,ch_%09d,succeeded,%d,EUR,2026-11-21T09:00:00Z\n", s.made, s.made))
	}
	return s.text.Read(into)
}

// countingLedger keeps nothing: what stays in memory is the run's.
type countingLedger struct {
	reconcile.Ledger
	lines, heapBytesMax int
}

func (c *countingLedger) KeepLines(_ context.Context, _ string, lines []payment.StatementLine) error {
	c.lines += len(lines)
	if c.lines%50_000 == 0 {
		var memory runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&memory)
		c.heapBytesMax = max(c.heapBytesMax, int(memory.HeapAlloc))
	}
	return nil
}

func TestRun_memoryDoesNotGrowWithTheFile(t *testing.T) {
	b := newBook(t)
	const rows, heapBytesMax = 1_000_000, 32 << 20 // the rows themselves are 55 MB
	ledger := &countingLedger{Ledger: b.DB}
	summary, err := reconcile.New(ledger).Run(t.Context(), reconcile.Statement{
		Name: "huge", Source: io.MultiReader(strings.NewReader(header), &rowSource{left: rows}),
	})
	if err != nil || summary.Charges != rows || ledger.lines != rows {
		t.Fatalf("got %+v, %v", summary, err)
	}
	if ledger.heapBytesMax == 0 || ledger.heapBytesMax > heapBytesMax {
		t.Errorf("%d bytes of heap were in use, at most %d are allowed", ledger.heapBytesMax, heapBytesMax)
	}
}
