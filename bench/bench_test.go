package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/paybuf/paybuf/bench/report"
	"github.com/paybuf/paybuf/bench/subject"
)

// TestMain serves a peer if it is started as one: the program that starts its
// peers is the test itself.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == subject.PeerCommand {
		if err := command(os.Args[1:]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// short are options for a bench of a few seconds in a directory of the test's.
func short(t *testing.T) options {
	t.Helper()
	// The servers end with the thread that starts them.
	runtime.LockOSThread()
	t.Cleanup(runtime.UnlockOSThread)
	dir, err := os.MkdirTemp("", "paybuf-bench-test-") // unlike t.TempDir, Postgres' own user can reach it
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o711); err != nil {
		t.Fatal(err)
	}
	return options{
		rounds: 1, window: 300 * time.Millisecond, source: "..", dir: dir, backlog: 3200, rest: time.Millisecond,
		sustained: 2 * time.Second, drained: 2000, tell: tellSizes{
			lookups: 200, clients: 100, ahead: time.Second, watched: time.Second, quiet: 300 * time.Millisecond,
			webhooks: 200, fresh: time.Second, spread: 20, endpoints: 10,
		},
	}
}

// checkNothingIsLeft looks for files, and for processes with the directory in
// their command line.
func checkNothingIsLeft(t *testing.T, dir string) {
	t.Helper()
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("files are left: %v, %v", left, err)
	}
	lines, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range lines {
		if line, err := os.ReadFile(file); err == nil && strings.Contains(string(line), dir) {
			t.Errorf("a process is left: %s", strings.ReplaceAll(string(line), "\x00", " "))
		}
	}
}

func TestCompare_measuresEveryServerInEveryCaseAndLeavesNothing(t *testing.T) {
	opts := short(t)
	d, err := compare(t.Context(), opts, t.Output())
	if err != nil {
		t.Fatal(err)
	}
	if len(d.Samples) != runsPerRound() {
		t.Errorf("%d runs, want %d", len(d.Samples), runsPerRound())
	}
	cost, answers := map[string]time.Duration{}, map[string]int64{}
	for _, sample := range d.Samples {
		if sample.P99 < sample.P50 || sample.ResidentBytes == 0 {
			t.Errorf("%+v", sample)
		}
		if d.FlushesKnown && sample.Server != d.Baseline && sample.Case.RepeatPercent < 100 && sample.FlushRate == 0 {
			t.Errorf("%s, %s: it stored nothing", sample.Server, sample.Case)
		}
		if c := sample.Case; (c == report.Keyed || c == report.Batches) && (sample.Answers == 0 || sample.Misjudged > 0) {
			t.Errorf("%s: %d answers, %d of them wrong", c, sample.Answers, sample.Misjudged)
		}
		answers[sample.Server] += sample.Answers
		cost[sample.Server] += sample.ServerCPU
		cost[sample.Server+"'s Postgres"] += sample.PostgresCPU
		cost["generator"] += sample.GeneratorCPU
	}
	for _, name := range names {
		if answers[name] == 0 {
			t.Errorf("%s answered nothing in all cases together", name)
		}
	}
	for _, who := range append(names, "generator", "insert's Postgres", "river's Postgres") {
		if cost[who] == 0 {
			t.Errorf("%s cost nothing in all cases together", who)
		}
	}
	if kept := d.Backlog; kept == nil || kept.Payments != opts.backlog || kept.PeakBytes == 0 || kept.RestBytes == 0 ||
		kept.AfterKill.Ready <= 0 || kept.AfterStop.Ready <= 0 {
		t.Errorf("the backlog is %+v", kept)
	}
	checkPipelines(t, d, opts)
	checkTelling(t, d, opts)
	checkNothingIsLeft(t, opts.dir)
	checkDocuments(t, d)
}

func checkDocuments(t *testing.T, d *report.Document) {
	t.Helper()
	out := t.TempDir()
	if err := publish(d, out); err != nil {
		t.Fatal(err)
	}
	for file, want := range map[string]string{"benchmarks.md": d.Versions.Postgres, "benchmarks.svg": "</svg>"} {
		content, err := os.ReadFile(filepath.Join(out, file))
		if err != nil || !strings.Contains(string(content), want) || strings.Contains(string(content), "unknown") {
			t.Errorf("%s: %v\n%s", file, err, content)
		}
	}
	if err := publish(d, filepath.Join(out, "nowhere")); err == nil {
		t.Error("documents were written to a directory that is not there")
	}
}

// onWrite calls a function at the first write.
type onWrite struct{ call func() }

func (w onWrite) Write(p []byte) (int, error) { w.call(); return len(p), nil }

func TestCompare_interruptedLeavesNothing(t *testing.T) {
	errNow := errors.New("now")
	t.Run("while it starts", func(t *testing.T) {
		opts := short(t)
		ctx, cancel := context.WithTimeoutCause(t.Context(), 500*time.Millisecond, errNow)
		defer cancel()
		if _, err := compare(ctx, opts, io.Discard); err == nil {
			t.Error("it came to an end")
		}
		checkNothingIsLeft(t, opts.dir)
	})
	t.Run("while it measures", func(t *testing.T) {
		opts := short(t)
		ctx, cancel := context.WithCancelCause(t.Context())
		_, err := compare(ctx, opts, onWrite{call: func() { cancel(errNow) }})
		if !errors.Is(err, errNow) {
			t.Errorf("it ended with %v", err)
		}
		checkNothingIsLeft(t, opts.dir)
	})
}

// vacant is a bench whose servers have ended.
func vacant(t *testing.T, progress io.Writer) *bench {
	t.Helper()
	opts := short(t)
	f := &field{dir: opts.dir, servers: filepath.Join(opts.dir, "servers")}
	var err error
	if f.program, err = subject.BuildPaybuf(t.Context(), opts.source, opts.dir); err != nil {
		t.Fatal(err)
	}
	return &bench{opts: opts, field: f, progress: progress}
}

func TestBacklog_interruptedLeavesNothing(t *testing.T) {
	errNow := errors.New("now")
	ctx, cancel := context.WithCancelCause(t.Context())
	b := vacant(t, onWrite{call: func() { cancel(errNow) }})
	if _, err := b.backlog(ctx); !errors.Is(err, errNow) {
		t.Errorf("it ended with %v", err)
	}
	if err := os.Remove(b.field.program); err != nil {
		t.Error(err)
	}
	checkNothingIsLeft(t, b.opts.dir)
}

func TestBacklog_killedAndNotStartedAgainLeavesNothing(t *testing.T) {
	b := vacant(t, io.Discard)
	h := &hoard{bench: b, dir: filepath.Join(b.opts.dir, "backlog")}
	if err := os.Mkdir(h.dir, passableMode); err != nil {
		t.Fatal(err)
	}
	if err := h.start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(h.kill(), h.remove(), os.Remove(b.field.program)); err != nil {
		t.Error(err)
	}
	checkNothingIsLeft(t, b.opts.dir)
}

func TestRun_isWorthNothingIfRequestsAreRefused(t *testing.T) {
	refusing := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "no room", http.StatusServiceUnavailable)
	}))
	defer refusing.Close()
	b := bench{opts: options{rounds: 1, window: 50 * time.Millisecond}, progress: io.Discard}
	s := &subject.Subject{Name: "full", Address: refusing.Listener.Addr().String(), PID: os.Getpid()}
	err := b.run(t.Context(), 0, plays[0], s)
	if err == nil || !strings.Contains(err.Error(), "no room") || len(b.samples) != 0 {
		t.Errorf("%v; %d samples", err, len(b.samples))
	}
}

// full gives options the whole backlogs.
func full(o options) options {
	o.backlog, o.rest = 1_000_000, 10*time.Second
	o.sustained, o.drained, o.tell = time.Minute, 200_000, tellFull
	return o
}

func TestOptions_areChecked(t *testing.T) {
	for line, want := range map[string]options{
		"": full(options{rounds: 3, window: 5 * time.Second, source: ".."}),
		"-quick": {
			rounds: 1, window: time.Second, source: "..", backlog: 20_000, rest: time.Second,
			sustained: 2 * time.Second, drained: 4000, tell: tellQuick,
		},
		"-only e2e -quick": {
			rounds: 1, window: time.Second, source: "..", backlog: 20_000, rest: time.Second,
			sustained: 2 * time.Second, drained: 4000, tell: tellQuick, only: endToEnd,
		},
		"-only intake -sustained 5 -drained 1500": {
			rounds: 3, window: 5 * time.Second, source: "..", backlog: 1_000_000, rest: 10 * time.Second,
			sustained: 5 * time.Second, drained: 1500, tell: tellFull, only: intake,
		},
		"-seconds 20 -rounds 5": full(options{rounds: 5, window: 20 * time.Second, source: ".."}),
		"-out ../docs -dir /d":  full(options{rounds: 3, window: 5 * time.Second, source: "..", out: "../docs", dir: "/d"}),
	} {
		if got, err := parseOptions(strings.Fields(line), io.Discard); err != nil || got != want {
			t.Errorf("%q: got %+v, %v; want %+v", line, got, err, want)
		}
	}
	for _, line := range []string{"-seconds 0", "-seconds 61", "-rounds 0", "-rounds 10", "now", "-nonsense",
		"-sustained 0", "-sustained 601", "-drained 900", "-drained 1050", "-drained 1000100", "-only all", "-only e2e -out docs"} {
		if got, err := parseOptions(strings.Fields(line), io.Discard); err == nil {
			t.Errorf("%q is taken as %+v", line, got)
		}
	}
}

func TestOptions_theDefaultEndsWithinTwelveMinutes(t *testing.T) {
	opts, err := parseOptions(nil, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	const starting = 20 * time.Second // without a first build
	if limit := opts.limit() + starting; limit > 12*time.Minute {
		t.Errorf("it may take %s", limit)
	}
}
