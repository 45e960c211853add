package reconcile_test

import (
	"context"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/paybuf/paybuf/payment"
	"github.com/paybuf/paybuf/processor/payer/httppayer"
	"github.com/paybuf/paybuf/processor/payer/simulator"
	"github.com/paybuf/paybuf/processor/reconcile"
)

const waitMax = 20 * time.Second

// quick is a job that looks often.
func quick(cfg reconcile.JobConfig) reconcile.JobConfig {
	cfg.Poll, cfg.Unchanged, cfg.Margin = 20*time.Millisecond, 60*time.Millisecond, time.Millisecond
	return cfg
}

// job runs one until the test ends, or what it gives is called.
func (b *book) job(cfg reconcile.JobConfig) (*reconcile.Job, func()) {
	b.t.Helper()
	job := reconcile.NewJob(b.DB, cfg)
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { job.Run(ctx) })
	stop := sync.OnceFunc(func() { cancel(); wg.Wait() })
	b.t.Cleanup(stop)
	return job, stop
}

func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(waitMax); !holds(); <-time.After(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within %s: %s", waitMax, what)
		}
	}
}

func put(t *testing.T, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// payer is a simulated payer over real HTTP.
func payer(t *testing.T, opts simulator.Options) (*simulator.Engine, *httppayer.Statements, string) {
	t.Helper()
	opts.Ledger = filepath.Join(t.TempDir(), "payer.ndjson")
	engine, err := simulator.Open(opts)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(engine.Handler())
	statements, err := httppayer.NewStatements(server.URL, "/statement", httppayer.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		statements.Close()
		server.Close()
		_ = engine.Close()
	})
	return engine, statements, server.URL
}

func TestJob_takesEachFileOnceWhenItIsComplete(t *testing.T) {
	t.Parallel()
	b, dir := newBook(t), t.TempDir()
	id := b.put("A-1", payment.Unknown)
	put(t, filepath.Join(dir, "monday.csv.part"), header+row(id, "ch_1"))
	put(t, filepath.Join(dir, ".hidden.csv"), header+row("rent", "ch_2"))
	one, _ := b.job(quick(reconcile.JobConfig{Dir: dir}))
	two, _ := b.job(quick(reconcile.JobConfig{Dir: dir}))
	put(t, filepath.Join(dir, "tuesday.CSV"), header)
	eventually(t, "the complete file is done", func() bool { return b.count("statements WHERE done_at IS NOT NULL") == 1 })
	b.wantState(id, payment.Unknown)

	if err := os.Rename(filepath.Join(dir, "monday.csv.part"), filepath.Join(dir, "monday.csv")); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the renamed file is done", func() bool { return b.count("statements WHERE done_at IS NOT NULL") == 2 })
	b.wantState(id, payment.Succeeded)
	eventually(t, "both know", func() bool { return !one.Stats().LastSuccess.IsZero() && !two.Stats().LastSuccess.IsZero() })
	if one, two := one.Stats(), two.Stats(); one.Settled+two.Settled != 1 || one.Failures+two.Failures != 0 {
		t.Errorf("they count %+v and %+v", one, two)
	}
	if n := b.count("statement_lines WHERE revision > 1"); n != 0 {
		t.Errorf("%d lines were read twice", n)
	}
	if n := b.count("statement_lines"); n != 1 {
		t.Errorf("%d lines: a hidden or unfinished file was read", n)
	}
}

func TestJob_aRestartDoesNotReadAgainButAChangedFileIsRead(t *testing.T) {
	t.Parallel()
	b, dir := newBook(t), t.TempDir()
	file := filepath.Join(dir, "monday.csv")
	put(t, file, header+row("rent", "ch_1"))
	_, stop := b.job(quick(reconcile.JobConfig{Dir: dir}))
	eventually(t, "it is done", func() bool { return b.count("statements WHERE done_at IS NOT NULL") == 1 })
	stop()
	again, _ := b.job(quick(reconcile.JobConfig{Dir: dir}))
	eventually(t, "the next process counts what is open", func() bool { return again.Stats().Open[payment.DiscrepancyForeign] == 1 })
	put(t, file, header+row("rent", "ch_1")+row("rent", "ch_2"))
	eventually(t, "the changed file is done", func() bool { return b.count("statements WHERE done_at IS NOT NULL") == 2 })
	if got := strings.Join(b.query("SELECT revision FROM statement_lines ORDER BY charge_id"), " "); got != "2 1" {
		t.Errorf("the lines were told %s times", got)
	}
}

func TestJob_aFileThatCannotBeReadIsOnRecordAndHoldsNobodyUp(t *testing.T) {
	t.Parallel()
	b, dir := newBook(t), t.TempDir()
	put(t, filepath.Join(dir, "a.csv"), header+"pay_1,4111111111111111,succeeded,1,EUR,now\n")
	put(t, filepath.Join(dir, "b.csv"), header+row("rent", "ch_1"))
	job, _ := b.job(quick(reconcile.JobConfig{Dir: dir}))
	eventually(t, "both are done", func() bool { return b.count("statements WHERE done_at IS NOT NULL") == 2 })
	failure := b.query("SELECT failure FROM statements WHERE name = 'a.csv'")[0]
	if !strings.Contains(failure, `line 2, column "charge_id"`) || strings.Contains(failure, "4111") {
		t.Errorf("on record is %q", failure)
	}
	if job.Stats().Failures != 1 {
		t.Errorf("it counts %+v", job.Stats())
	}
}

// A killed process leaves a lease behind, and lines that nobody judged.
func TestJob_completesWhatAKilledProcessLeft(t *testing.T) {
	t.Parallel()
	b, dir := newBook(t), t.TempDir()
	id := b.put("A-1", payment.Unknown)
	put(t, filepath.Join(dir, "monday.csv"), header+row(id, "ch_1")+row("rent", "ch_2"))
	_, stop := b.job(quick(reconcile.JobConfig{Dir: dir}))
	eventually(t, "it is done", func() bool { return b.count("statements WHERE done_at IS NOT NULL") == 1 })
	stop()
	b.query("UPDATE statements SET done_at = NULL, owner = 'the dead', leased_until = now() + interval '300 ms'")
	b.query("UPDATE statement_lines SET judged = false; DELETE FROM statement_lines WHERE charge_id = 'ch_2'")
	b.job(quick(reconcile.JobConfig{Dir: dir}))
	eventually(t, "the lease has run out and the file is read", func() bool {
		return b.count("statements WHERE done_at IS NOT NULL AND owner <> 'the dead'") == 1 &&
			b.count("statement_lines WHERE judged") == 2
	})
	b.wantState(id, payment.Succeeded)
	if n := b.count("events WHERE type = 'payment.succeeded'"); n != 1 {
		t.Errorf("%d events", n)
	}
}

func TestJob_fetchesThePayersStatementAndFindsItsDoubles(t *testing.T) {
	t.Parallel()
	b := newBook(t)
	engine, statements, url := payer(t, simulator.Options{Double: 1})
	adapter, err := httppayer.New(url, httppayer.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(adapter.Close)
	made := request(t, "A-1", "")
	if answer := adapter.Charge(t.Context(), made); answer.Verdict != payment.VerdictCharged {
		t.Fatalf("the payer says %+v", answer)
	}
	b.putRequest(made, payment.Succeeded)
	if sum := engine.Summary(); sum.Charges != 2 || sum.Doubled != 1 {
		t.Fatalf("the payer has charged %+v", sum)
	}
	// Two processes, and periods that are over at once.
	for range 2 {
		job, _ := b.job(quick(reconcile.JobConfig{Fetcher: statements, Every: time.Second}))
		eventually(t, "the alarm", func() bool { return job.Stats().Open[payment.DiscrepancyDoubled] == 1 })
	}
	if got := b.query("SELECT reference || ' ' || charge_id FROM discrepancies"); len(got) != 1 || got[0] != string(made.ID)+" ch_2" {
		t.Errorf("found is %v", got)
	}
	if n := b.count("statements WHERE name LIKE 'payer %Z' AND done_at IS NOT NULL AND failure = ''"); n == 0 {
		t.Error("no period is on record")
	}
}

func TestJob_aPayerThatDoesNotAnswerIsNoEndAndNoSuccess(t *testing.T) {
	t.Parallel()
	b, dir := newBook(t), t.TempDir()
	elsewhere, err := httppayer.NewStatements("http://127.0.0.1:1", "/statement", httppayer.Config{})
	if err != nil {
		t.Fatal(err)
	}
	put(t, filepath.Join(dir, "monday.csv"), header+row("rent", "ch_1"))
	job, _ := b.job(quick(reconcile.JobConfig{Dir: dir, Fetcher: elsewhere, Every: time.Hour}))
	eventually(t, "the file is done all the same", func() bool { return job.Stats().Open[payment.DiscrepancyForeign] == 1 })
	if got := b.count("statements WHERE name LIKE 'payer %' AND done_at IS NOT NULL"); got != 0 || job.Stats().Failures == 0 {
		t.Errorf("%d periods are done, %+v", got, job.Stats())
	}
}
