package reconcile

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"hash"
	"io"
	"time"

	"github.com/paybuf/paybuf/internal/fault"
	"github.com/paybuf/paybuf/payment"
)

const (
	batchLines    = 1000
	marginDefault = 5 * time.Minute
	// passesMax is how often a payment that moves while it is judged is looked at.
	passesMax = 2
)

// Statement is one to be reconciled.
type Statement struct {
	Name   string // shown as evidence, and what its discrepancies are listed by
	Digest string // of the content; "" to take it while the content is read
	Source io.Reader

	Columns Columns
	// Period is what the statement covers; zero means from its first charge to its
	// last. Only within it a payment can be missing.
	Period payment.Period
	// Margin is how far the payer's clock may be from ours, and how late a charge may
	// show; 0 means 5 min.
	Margin time.Duration

	// Progress is told now and then how much was read and judged; nil for nobody.
	Progress func(Progress)
}

// Progress is how far a run has come.
type Progress struct {
	Stage string // "reading" or "comparing"
	Lines int64  // of that stage
	Bytes int64  // of the source, while reading
}

// Summary is what came of a run.
type Summary struct {
	Statement string
	Period    payment.Period // zero if the statement has no charge and none was given
	Lines     int64          // read
	Charges   int64          // of them, kept: money moved
	Settled   int64          // payments that succeeded by this run
	Parked    int64          // payments that were to be sent again and are not
	UnderWay  int64          // charges of payments that a worker holds; the next run judges them

	// Open counts the discrepancies that this statement showed and that nobody has
	// resolved, whichever run found them.
	Open map[payment.DiscrepancyKind]int64
}

// Clean tells that there is nothing to be looked into.
func (s Summary) Clean() bool {
	for _, n := range s.Open {
		if n > 0 {
			return false
		}
	}
	return true
}

// Reconciler compares statements with a ledger. Any number may work at once.
type Reconciler struct{ ledger Ledger }

// New gives a reconciler on a ledger.
func New(ledger Ledger) *Reconciler { return &Reconciler{ledger: ledger} }

// Run reads a statement to its end, and only then judges: a charge is the only one
// if no other line says otherwise. What an earlier run left unjudged it judges too.
//
// A *FormatError means that the statement must be put right: lines before the one
// that it names are kept, and nothing follows from what was not read. After any
// other error the same run may be made again.
func (r *Reconciler) Run(ctx context.Context, statement Statement) (Summary, error) {
	if statement.Margin == 0 {
		statement.Margin = marginDefault
	}
	if statement.Progress == nil {
		statement.Progress = func(Progress) {}
	}
	run := payment.StatementRun{Name: statement.Name, Digest: statement.Digest, Period: statement.Period}
	summary := Summary{Statement: statement.Name}
	content := sha256.New()
	if err := r.keep(ctx, statement, content, &summary); err != nil {
		return summary, err
	}
	if run.Digest == "" {
		run.Digest = hex.EncodeToString(content.Sum(nil))
	}
	if run.Period == (payment.Period{}) {
		run.Period = summary.Period
	}
	summary.Period, run.Lines = run.Period, summary.Lines
	if err := r.compare(ctx, &summary, statement.Progress); err != nil {
		return summary, err
	}
	if err := r.conclude(ctx, run, statement.Margin); err != nil {
		return summary, err
	}
	var err error
	summary.Open, err = r.ledger.OpenDiscrepancies(ctx, statement.Name)
	return summary, err
}

// keep reads the statement and keeps its charges.
func (r *Reconciler) keep(ctx context.Context, statement Statement, content hash.Hash, summary *Summary) error {
	source := &countingReader{source: io.TeeReader(statement.Source, content)}
	lines, err := newReader(source, statement.Columns)
	if err != nil {
		return err
	}
	batch := make([]payment.StatementLine, 0, batchLines)
	keep := func() error {
		err := r.ledger.KeepLines(ctx, statement.Name, batch)
		summary.Charges += int64(len(batch))
		batch = batch[:0]
		statement.Progress(Progress{Stage: "reading", Lines: summary.Lines, Bytes: source.bytes})
		return err
	}
	for ctx.Err() == nil {
		line, err := lines.next()
		if errors.Is(err, io.EOF) {
			return keep()
		}
		if err != nil {
			return err
		}
		summary.Lines++
		summary.Period = widen(summary.Period, line.ChargedAt)
		if !line.Status.Charged() {
			continue
		}
		if batch = append(batch, line); len(batch) == batchLines {
			if err := keep(); err != nil {
				return err
			}
		}
	}
	return context.Cause(ctx)
}

// compare judges all that is not judged. What moved meanwhile, or is being worked
// on, is looked at once more.
func (r *Reconciler) compare(ctx context.Context, summary *Summary, progress func(Progress)) error {
	judged := int64(0)
	for range passesMax {
		summary.UnderWay = 0
		for after := ""; ; {
			charges, err := r.ledger.UnjudgedCharges(ctx, after, batchLines)
			if err != nil {
				return err
			}
			if len(charges) == 0 {
				break
			}
			if err := r.judge(ctx, charges, summary); err != nil {
				return err
			}
			after = charges[len(charges)-1].ChargeID
			judged += int64(len(charges))
			progress(Progress{Stage: "comparing", Lines: judged})
		}
		if summary.UnderWay == 0 {
			return nil
		}
	}
	return nil
}

func (r *Reconciler) judge(ctx context.Context, charges []payment.StatedCharge, summary *Summary) error {
	judgements := make([]payment.ChargeJudgement, len(charges))
	moves := map[string]payment.State{} // by payment: several charges may park one
	for i, charge := range charges {
		judgements[i] = judge(charge)
		if judgements[i].Open {
			summary.UnderWay++
		}
		if to := judgements[i].To; to != "" {
			moves[charge.Reference] = to
		}
	}
	fault.At(fault.ReconcileJudging)
	late, err := r.ledger.JudgeCharges(ctx, judgements)
	if err != nil {
		return err
	}
	fault.At(fault.ReconcileJudged)
	for _, j := range late {
		delete(moves, j.Reference)
	}
	summary.UnderWay += int64(len(late))
	for _, to := range moves {
		if to == payment.Succeeded {
			summary.Settled++
		} else {
			summary.Parked++
		}
	}
	return nil
}

// conclude looks for what is missing, closes what no longer holds and puts on
// record that the statement was read. A crash before the last does it all again.
func (r *Reconciler) conclude(ctx context.Context, run payment.StatementRun, margin time.Duration) error {
	if run.Period != (payment.Period{}) {
		var after payment.MissingCursor
		for more := true; more; {
			var err error
			if after, more, err = r.ledger.RecordMissing(ctx, run, margin, after, batchLines); err != nil {
				return err
			}
		}
	}
	if err := r.closeSettled(ctx); err != nil {
		return err
	}
	return r.ledger.FinishStatement(ctx, run)
}

func (r *Reconciler) closeSettled(ctx context.Context) error {
	var after int64
	for more := true; more; {
		var err error
		if after, more, err = r.ledger.CloseSettled(ctx, after, batchLines); err != nil {
			return err
		}
	}
	return nil
}

// widen gives the period that holds one more moment.
func widen(p payment.Period, at time.Time) payment.Period {
	until := at.Add(time.Microsecond) // what the ledger's clock can tell apart
	if p == (payment.Period{}) {
		return payment.Period{From: at, Until: until}
	}
	if at.Before(p.From) {
		p.From = at
	}
	if until.After(p.Until) {
		p.Until = until
	}
	return p
}

// countingReader counts what was read.
type countingReader struct {
	source io.Reader
	bytes  int64
}

// Read implements io.Reader.
func (c *countingReader) Read(into []byte) (int, error) {
	n, err := c.source.Read(into)
	c.bytes += int64(n)
	return n, err
}
