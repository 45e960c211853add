package reconcile

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"sync"
	"time"

	"github.com/paybuf/paybuf/payment"
)

const (
	pollDefault = 10 * time.Second
	// catchUpPeriods is how many past periods are asked for after an outage.
	catchUpPeriods = 24
	// leaseOfStatement bounds how long others wait after a kill; it is extended while
	// the statement is worked on.
	leaseOfStatement = 2 * time.Minute
	// fetchPause is between two tries at a payer's statement that failed.
	fetchPause = time.Minute
	// digestOfPeriod stands for the content of a statement that its period names.
	digestOfPeriod = "period"
)

var errLeaseLost = errors.New("the statement is another process's now")

// JobConfig says where a standing job finds statements. The zero value finds none,
// and still judges what runs before have left and counts what is open.
type JobConfig struct {
	Dir     string        // of files, in the default columns; "" for none
	Fetcher Fetcher       // nil for none
	Every   time.Duration // how long a fetched period is; default 1 h
	// Overlap is how much of the period before is asked for again: charges that show
	// late. Default 15 min.
	Overlap time.Duration
	Margin  time.Duration // see Statement; default 5 min
	Poll    time.Duration // how often it looks for work; default 10 s
	// Unchanged is how long a file has not changed when it is taken for complete;
	// default 10 s.
	Unchanged time.Duration
	Logger    *slog.Logger
}

func (c JobConfig) withDefaults() JobConfig {
	for _, d := range []struct {
		field *time.Duration
		value time.Duration
	}{
		{&c.Every, time.Hour}, {&c.Overlap, 15 * time.Minute}, {&c.Margin, marginDefault},
		{&c.Poll, pollDefault}, {&c.Unchanged, 10 * time.Second},
	} {
		if *d.field == 0 {
			*d.field = d.value
		}
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c
}

// Stats are what the job knows. Open and LastSuccess are the ledger's, as of the
// latest poll, so that they outlive the process; the others count since its start.
type Stats struct {
	Open        map[payment.DiscrepancyKind]int64
	LastSuccess time.Time // zero: never
	Settled     int64
	Failures    int64 // statements that could not be fetched, read or compared
}

// Job reconciles statements as they come. Any number of processes may run one on
// the same ledger, directory and payer: each statement is claimed, and one that two
// work on all the same is worked on twice without harm.
type Job struct {
	reconciler *Reconciler
	ledger     Ledger
	cfg        JobConfig
	log        *slog.Logger
	owner      string
	folder     folder
	done       map[string]bool // periods that this process need not claim again
	fetchAfter time.Time       // the payer's statement failed: not before

	mu    sync.Mutex
	stats Stats
}

// NewJob prepares a job; Run runs it.
func NewJob(ledger Ledger, cfg JobConfig) *Job {
	cfg = cfg.withDefaults()
	return &Job{
		reconciler: New(ledger), ledger: ledger, cfg: cfg, log: cfg.Logger, owner: rand.Text(),
		folder: folder{dir: cfg.Dir, unchanged: cfg.Unchanged}, done: map[string]bool{},
	}
}

// Stats gives what is known now.
func (j *Job) Stats() Stats {
	j.mu.Lock()
	defer j.mu.Unlock()
	stats := j.stats
	stats.Open = maps.Clone(stats.Open)
	return stats
}

// Run works until ctx ends. What it could not finish is done by the next.
func (j *Job) Run(ctx context.Context) {
	ticker := time.NewTicker(j.cfg.Poll)
	defer ticker.Stop()
	for {
		j.tick(ctx)
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
	}
}

// tick does what there is to do now. A part that fails does not hold the others up.
func (j *Job) tick(ctx context.Context) {
	var left Summary
	if err := j.reconciler.compare(ctx, &left, func(Progress) {}); err != nil {
		j.fail(ctx, "judge what runs before have left", err)
	}
	j.count(left)
	if j.cfg.Dir != "" {
		j.takeFiles(ctx)
	}
	if j.cfg.Fetcher != nil {
		j.takePeriods(ctx, time.Now())
	}
	j.refresh(ctx)
}

func (j *Job) takeFiles(ctx context.Context) {
	files, err := j.folder.complete(time.Now())
	if err != nil {
		j.fail(ctx, "look for statements", err)
		return
	}
	for _, file := range files {
		if ctx.Err() != nil {
			return
		}
		done, err := j.takeFile(ctx, file)
		if err != nil {
			j.fail(ctx, "statement "+file.name, err)
		}
		if done {
			j.folder.taken(file)
		}
	}
}

// takeFile reads a file twice: to know which it is, and to read it.
func (j *Job) takeFile(ctx context.Context, file file) (done bool, err error) {
	digest, err := j.folder.digest(ctx, file)
	if err != nil {
		return false, err
	}
	return j.take(ctx, payment.StatementRun{Name: file.name, Digest: digest}, func(context.Context) (io.ReadCloser, error) {
		return j.folder.open(file)
	})
}

// takePeriods asks for the periods that are over, the oldest first. What shows late
// is found by the next, which overlaps.
func (j *Job) takePeriods(ctx context.Context, now time.Time) {
	if now.Before(j.fetchAfter) {
		return
	}
	last := now.UTC().Truncate(j.cfg.Every)
	for back := catchUpPeriods - 1; back >= 0 && ctx.Err() == nil; back-- {
		until := last.Add(-time.Duration(back) * j.cfg.Every)
		from := until.Add(-j.cfg.Every)
		name := fmt.Sprintf("payer %s/%s", from.Format(time.RFC3339), until.Format(time.RFC3339))
		if j.done[name] {
			continue
		}
		run := payment.StatementRun{
			Name: name, Digest: digestOfPeriod, Period: payment.Period{From: from.Add(-j.cfg.Overlap), Until: until},
		}
		done, err := j.take(ctx, run, func(ctx context.Context) (io.ReadCloser, error) {
			return j.cfg.Fetcher.Statement(ctx, run.Period)
		})
		if err != nil {
			j.fail(ctx, "statement "+name, err)
			j.fetchAfter = now.Add(fetchPause)
			return
		}
		if len(j.done) > 2*catchUpPeriods {
			clear(j.done)
		}
		j.done[name] = done
	}
}

// take reconciles one statement if it is ours to do, and tells whether it is done,
// by whomever. That it must be put right is put on record, since no repetition
// cures it; any other error is for the next poll.
func (j *Job) take(
	ctx context.Context, run payment.StatementRun, open func(context.Context) (io.ReadCloser, error),
) (done bool, err error) {
	run.Owner = j.owner
	claim, err := j.ledger.ClaimStatement(ctx, run, leaseOfStatement)
	if err != nil || claim != payment.StatementOurs {
		return claim == payment.StatementDone, err
	}
	held, release := j.hold(ctx, run)
	defer release()
	source, err := open(held)
	if err != nil {
		return false, err
	}
	defer source.Close() //nolint:errcheck // only read
	started := time.Now()
	summary, err := j.reconciler.Run(held, Statement{
		Name: run.Name, Digest: run.Digest, Source: source, Period: run.Period, Margin: j.cfg.Margin,
	})
	j.count(summary)
	if wrong, ok := errors.AsType[*FormatError](err); ok && run.Digest != digestOfPeriod {
		j.fail(ctx, "statement "+run.Name+" must be put right", wrong)
		run.Failure = wrong.Error()
		err := j.ledger.FinishStatement(ctx, run)
		return err == nil, err
	}
	if err != nil {
		return false, err
	}
	j.report(ctx, summary, time.Since(started))
	return true, nil
}

// hold extends the lease of a statement until it is released. What is given back
// ends when the lease is lost.
func (j *Job) hold(ctx context.Context, run payment.StatementRun) (context.Context, func()) {
	held, cancel := context.WithCancelCause(ctx)
	var wg sync.WaitGroup
	wg.Go(func() {
		ticker := time.NewTicker(leaseOfStatement / 4)
		defer ticker.Stop()
		for {
			select {
			case <-held.Done():
				return
			case <-ticker.C:
			}
			// An error passes, or the work itself meets it.
			if claim, err := j.ledger.ClaimStatement(held, run, leaseOfStatement); err == nil && claim != payment.StatementOurs {
				cancel(errLeaseLost)
				return
			}
		}
	})
	return held, func() { cancel(nil); wg.Wait() }
}

// refresh reads what the ledger knows of all runs, whoever made them.
func (j *Job) refresh(ctx context.Context) {
	err := j.reconciler.closeSettled(ctx)
	open, errOpen := j.ledger.OpenDiscrepancies(ctx, "")
	last, errLast := j.ledger.LastStatement(ctx)
	if err := errors.Join(err, errOpen, errLast); err != nil {
		j.fail(ctx, "count what is open", err)
		return
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.stats.Open, j.stats.LastSuccess = open, last
}

func (j *Job) count(summary Summary) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.stats.Settled += summary.Settled
}

func (j *Job) fail(ctx context.Context, doing string, err error) {
	if ctx.Err() != nil {
		return // stopping
	}
	j.mu.Lock()
	j.stats.Failures++
	j.mu.Unlock()
	j.log.Error("reconciliation", slog.String("task", doing), slog.Any("error", err))
}

// report writes the one line of a statement; one that is not clean is an alarm.
func (j *Job) report(ctx context.Context, summary Summary, took time.Duration) {
	level := slog.LevelInfo
	if !summary.Clean() {
		level = slog.LevelError
	}
	attrs := []slog.Attr{
		slog.String("statement", summary.Statement),
		slog.Time("from", summary.Period.From), slog.Time("until", summary.Period.Until),
		slog.Int64("charges", summary.Charges), slog.Int64("settled", summary.Settled),
		slog.Int64("parked", summary.Parked), slog.Int64("under_way", summary.UnderWay),
		slog.Duration("took", took),
	}
	for _, kind := range payment.DiscrepancyKinds() {
		attrs = append(attrs, slog.Int64(string(kind), summary.Open[kind]))
	}
	j.log.LogAttrs(ctx, level, "reconciled", attrs...)
}
