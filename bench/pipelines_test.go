package main

import (
	"context"
	"errors"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/paybuf/paybuf/bench/load"
	"github.com/paybuf/paybuf/bench/payer"
	"github.com/paybuf/paybuf/bench/report"
	"github.com/paybuf/paybuf/bench/subject"
)

// checkPipelines looks at what the pipelines of a whole comparison did.
func checkPipelines(t *testing.T, d *report.Document, opts options) {
	t.Helper()
	if len(d.Pipelines) != len(pipelines) {
		t.Fatalf("%d pipelines, want %d", len(d.Pipelines), len(pipelines))
	}
	for i, run := range d.Pipelines {
		if run.Server != pipelines[i].name {
			t.Errorf("%s was measured in place of %s", run.Server, pipelines[i].name)
		}
		if run.Drained.Payments != int64(opts.drained) {
			t.Errorf("%s drained %d payments, not %d", run.Server, run.Drained.Payments, opts.drained)
		}
		for name, flow := range map[string]report.Flow{"sustained": run.Sustained, "drained": run.Drained} {
			if flow.Payments == 0 || flow.Took <= 0 || flow.Statements <= 0 || flow.ServerCPU+flow.PostgresCPU == 0 {
				t.Errorf("%s %s %+v", run.Server, name, flow)
			}
		}
		if run.Paced.Payments == 0 || run.Paced.P99 < run.Paced.P50 || run.Paced.P99 == 0 {
			t.Errorf("%s, paced: %+v", run.Server, run.Paced)
		}
	}
	ours, theirs := d.Pipelines[0].Sustained.Statements, d.Pipelines[1].Sustained.Statements
	if ours >= 1 || theirs <= 1 {
		t.Errorf("%.2f statements per payment of ours and %.2f of theirs: we write batches, they insert one by one", ours, theirs)
	}
}

func TestPipelines_interruptedLeaveNothing(t *testing.T) {
	errNow := errors.New("now")
	ctx, cancel := context.WithCancelCause(t.Context())
	b := vacant(t, onWrite{call: func() { cancel(errNow) }})
	if _, err := b.pipelines(ctx); !errors.Is(err, errNow) && !errors.Is(err, context.Canceled) {
		t.Errorf("they ended with %v", err)
	}
	if err := os.Remove(b.field.program); err != nil {
		t.Error(err)
	}
	checkNothingIsLeft(t, b.opts.dir)
}

// ended is a stage's ledger of so many outcomes; the stage needs no Postgres then.
func ended(n int64) func(context.Context) (int64, error) {
	return func(context.Context) (int64, error) { return n, nil }
}

func TestFinish_waitsForAllAndNoMore(t *testing.T) {
	asked := int64(0)
	counting := func(context.Context) (int64, error) { asked++; return asked, nil }
	if err := awaitCount(t.Context(), counting, 3); err != nil || asked != 3 {
		t.Errorf("it took %d questions: %v", asked, err)
	}
	ctx, cancel := context.WithTimeoutCause(t.Context(), time.Millisecond, errUnfinished)
	defer cancel()
	if err := awaitCount(ctx, ended(2), 3); !errors.Is(err, errUnfinished) || !strings.Contains(err.Error(), "2 of 3") {
		t.Errorf("it never ends: %v", err)
	}
	lost := errors.New("lost")
	if err := awaitCount(t.Context(), func(context.Context) (int64, error) { return 0, lost }, 1); !errors.Is(err, lost) {
		t.Errorf("nobody knows: %v", err)
	}
}

func TestJudge_findsACountThatDoesNotAddUp(t *testing.T) {
	if err := checkCounts(5, 5, payer.Tally{Charges: 5, References: 5}); err != nil {
		t.Error(err)
	}
	for name, c := range map[string]struct {
		ended int64
		tally payer.Tally
	}{
		"charged twice":           {5, payer.Tally{Charges: 6, References: 5}},
		"charged, never accepted": {5, payer.Tally{Charges: 6, References: 6}},
		"ended, never accepted":   {6, payer.Tally{Charges: 5, References: 5}},
		"one for another":         {5, payer.Tally{Charges: 5, References: 4}},
	} {
		if err := checkCounts(5, c.ended, c.tally); err == nil {
			t.Errorf("%s is found right", name)
		}
	}
}

func TestDelay_isFromTheAnswerToTheCommit(t *testing.T) {
	now := time.Now()
	paced := &load.Paced{LateMax: 7 * time.Millisecond, Accepted: map[string]time.Time{"A-1": now, "A-2": now, "A-3": now}}
	commits := map[string]time.Time{
		"A-1": now.Add(20 * time.Millisecond), "A-2": now.Add(100 * time.Millisecond),
		"A-3": now.Add(-time.Millisecond), // at its end before its client knew that it was accepted
		"A-4": now.Add(time.Hour),         // of the warm-up
	}
	got, err := delayOf(paced, commits)
	if err != nil || got.Payments != 3 || got.P50.Round(time.Millisecond) != 20*time.Millisecond ||
		got.P99.Round(time.Millisecond) != 100*time.Millisecond || got.LateMax != 7*time.Millisecond {
		t.Errorf("%+v, %v", got, err)
	}
	delete(commits, "A-2")
	if _, err := delayOf(paced, commits); err == nil || !strings.Contains(err.Error(), "A-2") {
		t.Errorf("an order that was lost: %v", err)
	}
}

func TestBetween_isFromTheFirstCommitToTheLast(t *testing.T) {
	now := time.Now()
	commits := map[string]time.Time{"A-1": now.Add(time.Second), "A-2": now, "A-3": now.Add(3 * time.Second)}
	if got := between(commits); got != 3*time.Second {
		t.Errorf("it took %s", got)
	}
	if got := between(nil); got != 0 {
		t.Errorf("nothing took %s", got)
	}
}

func TestStageMeter_sharesCostsOutAmongThePayments(t *testing.T) {
	start := time.Now()
	m := stageMeter{readings: []stageReading{
		{at: start, payer: time.Second, statements: 10, reading: reading{server: time.Second, postgres: 2 * time.Second, generator: 3 * time.Second, busy: 10 * time.Second}},
		{at: start.Add(10 * time.Second), payer: 2 * time.Second, statements: 31, reading: reading{server: 5 * time.Second, postgres: 4 * time.Second, generator: 4 * time.Second, busy: 18 * time.Second}},
	}}
	got := m.flow(1000, 8*time.Second)
	if got.Rate() != 125 || got.Statements != 0.02 || got.ServerCPU != 4*time.Millisecond || got.PostgresCPU != 2*time.Millisecond ||
		got.PayerCPU != time.Millisecond || got.GeneratorCPU != time.Millisecond || got.OtherShare != 0 {
		t.Errorf("%+v", got)
	}
	if nothing := m.flow(0, time.Second); nothing.Payments != 0 || nothing.Rate() != 0 {
		t.Errorf("%+v", nothing)
	}
	if opened, closed := m.span(); !opened.Equal(start) || closed.Sub(opened) != 10*time.Second {
		t.Errorf("from %s to %s", opened, closed)
	}
}

func TestOptions_pipelinesEndEvenIfTheyAreSlow(t *testing.T) {
	opts, err := parseOptions(nil, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	usual := opts.sustained + opts.paced() + 2*opts.pipelineWarmUp()
	if limit := opts.pipelinesLimit(); limit < time.Duration(len(pipelines))*usual || limit > 25*time.Minute {
		t.Errorf("they may take %s, the windows alone %s each", limit, usual)
	}
}

func TestStage_thatCannotBeStartedLeavesNothing(t *testing.T) {
	b := vacant(t, io.Discard)
	broken := pipelines[0]
	broken.work = func(context.Context, *stage) (*subject.Subject, error) { return nil, errors.New("broken") }
	err := b.perform(t.Context(), situations[0], broken, &report.Pipeline{})
	if err == nil || !strings.Contains(err.Error(), "broken") {
		t.Errorf("it ended with %v", err)
	}
	if err := os.Remove(b.field.program); err != nil {
		t.Error(err)
	}
	checkNothingIsLeft(t, b.opts.dir)
}
