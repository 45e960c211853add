package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/paybuf/paybuf/bench/journals/harm"
	"github.com/paybuf/paybuf/bench/journals/play"
	"github.com/paybuf/paybuf/bench/journals/receipt"
	"github.com/paybuf/paybuf/bench/journals/store"
	"github.com/paybuf/paybuf/bench/report"
)

// TestMain plays if it is started to: the program that starts its children is the
// test itself.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == playCommand {
		if err := command(os.Args[1:]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// short are options for a comparison of a few seconds in a directory of the
// test's.
func short(t *testing.T) options {
	t.Helper()
	return options{
		scale: scale{
			callers: []int{4}, keptRecords: 2000, segmentBytes: 256 << 10, halvedBytes: 128 << 10,
			harmedRecords: 1000, harmedBytes: 128 << 10, harms: 2,
		},
		rounds: 1, window: 50 * time.Millisecond, source: "../..", dir: t.TempDir(),
	}
}

func TestCompare_triesEveryStoreInEverythingAndLeavesNothing(t *testing.T) {
	opts := short(t)
	j, err := compare(t.Context(), opts, t.Output())
	if err != nil {
		t.Fatal(err)
	}
	if len(j.Samples) != len(store.Kinds) || len(j.Kept) != len(store.Whole) || len(j.Harmed) != len(store.Whole)*len(harm.Ways) {
		t.Errorf("%d runs, %d kept, %d harmed", len(j.Samples), len(j.Kept), len(j.Harmed))
	}
	for _, s := range j.Samples {
		if s.Rate <= 0 || s.P50 <= 0 || s.P99 < s.P50 || (j.DiskKnown && (s.Flushes <= 0 || s.WrittenBytes <= 0)) {
			t.Errorf("%+v", s)
		}
	}
	for _, k := range j.Kept {
		if k.OpenKilled <= 0 || k.OpenClosed <= 0 || k.RemoveTime <= 0 || k.DiskBytes < 100<<10 {
			t.Errorf("%+v", k)
		}
	}
	for _, h := range j.Harmed {
		if h.Tries != opts.harms || h.RightLowest > h.RightMost || h.Opened+h.Silent > 2*h.Tries {
			t.Errorf("%+v", h)
		}
	}
	if left, err := os.ReadDir(opts.dir); err != nil || len(left) > 0 {
		t.Errorf("files are left: %v, %v", left, err)
	}
	text, err := j.Markdown()
	if err != nil || strings.Contains(string(text), "NaN") || strings.Contains(string(text), "unknown") {
		t.Errorf("%v\n%s", err, text)
	}
}

// Whatever is done to the files of our own journal, it opens, hands out every
// receipt whose bytes are still there and nothing else, and tells that something
// is missing.
func TestHarm_ourJournalGivesBackAllThatIsIntact(t *testing.T) {
	b := &bench{opts: short(t), progress: io.Discard}
	b.dir = b.opts.dir
	killed, err := b.order(play.Fill, store.Ours)
	if err != nil {
		t.Fatal(err)
	}
	killed.Callers, killed.Records, killed.SegmentBytes = harmedCallers, b.opts.harmedRecords, b.opts.harmedBytes
	if err := fill(t.Context(), killed, true); err != nil {
		t.Fatal(err)
	}
	for _, way := range harm.Ways {
		for attempt := range uint64(10) {
			copied, err := b.damaged(way, killed, attempt)
			if err != nil {
				t.Fatal(err)
			}
			intact, atARecordsEnd := intactIn(t, copied)
			var found play.Found
			if err := do(t.Context(), copied, &found); err != nil {
				t.Fatal(err)
			}
			lost := 0 // of a flipped record the payload may be intact, and its CRC not
			if way == harm.FlipNewest || way == harm.FlipOldest {
				lost = 1
			}
			if !found.Opened || found.Wrong > 0 || found.Right > intact || found.Right < intact-lost {
				t.Errorf("%s, attempt %d: %+v, while %d receipts are intact", way, attempt, found, intact)
			}
			if silent := found.Said == ""; silent && (lost > 0 || !atARecordsEnd) {
				t.Errorf("%s, attempt %d: %d of %d receipts came back, and it said nothing", way, attempt, found.Right, killed.Records)
			}
		}
	}
}

// intactIn counts the receipts whose bytes are whole in the files, and tells
// whether the newest file ends with one, as one does that lost nothing.
func intactIn(t *testing.T, order play.Order) (count int, atARecordsEnd bool) {
	t.Helper()
	files, err := store.Files(order.Kind, order.Dir)
	if err != nil {
		t.Fatal(err)
	}
	mark := receipt.Mark(0)
	markAt := bytes.Index(receipt.Of(0), mark)
	mark = mark[:bytes.IndexByte(mark, '0')] // what all have in common
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		parts := bytes.Split(content, mark)
		at := 0 // of a mark
		end := 0
		for i, part := range parts[1:] {
			at += len(parts[i])
			number, err := strconv.Atoi(string(part[:min(8, len(part))]))
			if payload := receipt.Of(number); err == nil && bytes.HasPrefix(content[at-markAt:], payload) {
				count++
				end = at - markAt + len(payload)
			}
			at += len(mark)
		}
		atARecordsEnd = len(bytes.TrimRight(content, "\x00")) == end
	}
	return count, atARecordsEnd
}

func TestCount_tellsSilenceFromDeathAndFromLoss(t *testing.T) {
	harmed := report.JournalHarmed{RightLowest: 10}
	for _, try := range []struct {
		found play.Found
		died  bool
	}{
		{found: play.Found{Opened: true, Right: 10}},                     // nothing was hit
		{found: play.Found{Opened: true, Right: 9, Said: "one is lost"}}, // as it should be
		{found: play.Found{Opened: true, Right: 9}},                      // silent
		{found: play.Found{Opened: true, Right: 9, Wrong: 1}},            // silent, and wrong
		{found: play.Found{Said: "it cannot be opened"}},
		{died: true},
	} {
		count(&harmed, try.found, try.died, 10)
	}
	want := report.JournalHarmed{Tries: 6, Opened: 4, Died: 1, Silent: 2, Wrong: 1, RightLowest: 0, RightMost: 10}
	if harmed != want {
		t.Errorf("got %+v, want %+v", harmed, want)
	}
}

func TestDo_aChildThatEndsIsToldFromOneThatAnswers(t *testing.T) {
	order := play.Order{Role: "nonsense", Kind: store.Ours, Dir: t.TempDir()}
	if err := do(t.Context(), order, &play.Found{}); !errors.Is(err, errDied) || !strings.Contains(err.Error(), "no such role") {
		t.Errorf("it gave %v", err)
	}
	order = play.Order{Role: play.Fill, Kind: store.Ours, Dir: filepath.Join(t.TempDir(), "file")}
	if err := os.WriteFile(order.Dir, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, kill := range []bool{true, false} {
		if err := fill(t.Context(), order, kill); err == nil {
			t.Error("a file was filled as a directory")
		}
	}
}

func TestCompare_interruptedLeavesNothing(t *testing.T) {
	opts := short(t)
	ctx, cancel := contextEndedBy(t)
	if _, err := compare(ctx, opts, onWrite{cancel}); !errors.Is(err, errNow) {
		t.Errorf("it ended with %v", err)
	}
	if left, err := os.ReadDir(opts.dir); err != nil || len(left) > 0 {
		t.Errorf("files are left: %v, %v", left, err)
	}
}

func TestOptions_areChecked(t *testing.T) {
	for line, want := range map[string]options{
		"":                      {rounds: 3, window: time.Second, source: ".."},
		"-quick":                {rounds: 1, window: 300 * time.Millisecond, source: ".."},
		"-window 20s -rounds 5": {rounds: 5, window: 20 * time.Second, source: ".."},
		"-out ../docs -dir /d":  {rounds: 3, window: time.Second, source: "..", out: "../docs", dir: "/d"},
	} {
		got, err := parseOptions(strings.Fields(line), io.Discard)
		if err != nil || len(got.callers) != len(full.callers) || got.harms == 0 {
			t.Errorf("%q: got %+v, %v", line, got, err)
		}
		got.scale = scale{}
		if fmt.Sprint(got) != fmt.Sprint(want) { // a scale holds a list, which == cannot compare
			t.Errorf("%q: got %+v, want %+v", line, got, want)
		}
	}
	for _, line := range []string{"-window 0s", "-window 61s", "-rounds 0", "-rounds 10", "now", "-nonsense"} {
		if got, err := parseOptions(strings.Fields(line), io.Discard); err == nil {
			t.Errorf("%q is taken as %+v", line, got)
		}
	}
}
