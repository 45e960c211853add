package main

import (
	"context"
	"errors"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/paybuf/paybuf/bench/consumer"
	"github.com/paybuf/paybuf/bench/load"
	"github.com/paybuf/paybuf/bench/report"
)

// checkTelling looks at what was told in a whole comparison.
func checkTelling(t *testing.T, d *report.Document, opts options) {
	t.Helper()
	if d.Telling == nil {
		t.Fatal("nothing was told")
	}
	if got := d.Telling.Lookups; len(got) != lookupsPerRound {
		t.Errorf("%d runs of asking, want %d", len(got), lookupsPerRound)
	}
	for _, run := range d.Telling.Lookups {
		if run.Answers == 0 || run.Rate <= 0 || run.P99 < run.P50 || (run.Payments != opts.tell.lookups && run.Payments != 1) {
			t.Errorf("asking: %+v", run)
		}
	}
	w := d.Telling.Waiting
	if w.Outcomes == 0 || w.P99 < w.P50 || w.Max <= 0 || w.WaitingMean <= 0 || w.WaitingMean > float64(w.Clients) ||
		w.QuietBytes == 0 || w.MostBytes == 0 || w.EmptyBytes == 0 || w.QuietStatements < 0 {
		t.Errorf("waiting: %+v", w)
	}
	if got := d.Telling.Delivery; got.Backlog.Payments < int64(opts.tell.webhooks) || got.Backlog.Took <= 0 ||
		got.Fresh.Payments == 0 || got.Fresh.P99 < got.Fresh.P50 {
		t.Errorf("webhooks: %+v", got)
	}
	if got := d.Telling.Fairness; len(got) != 4 {
		t.Errorf("%d runs with many endpoints, want 4", len(got))
	}
	for _, run := range d.Telling.Fairness {
		if run.Deliveries == 0 || run.Took <= 0 || (run.Hung > 0) != run.Hangs {
			t.Errorf("many endpoints: %+v", run)
		}
	}
}

func TestTell_interruptedLeavesNothing(t *testing.T) {
	errNow := errors.New("now")
	ctx, cancel := context.WithCancelCause(t.Context())
	b := vacant(t, onWrite{call: func() { cancel(errNow) }})
	if _, err := b.tell(ctx); !errors.Is(err, errNow) && !errors.Is(err, context.Canceled) {
		t.Errorf("it ended with %v", err)
	}
	if err := os.Remove(b.field.program); err != nil {
		t.Error(err)
	}
	checkNothingIsLeft(t, b.opts.dir)
}

func TestCrowd_isFromTheCommitToTheReceipt(t *testing.T) {
	now := time.Now()
	commits := map[string]time.Time{"A-1": now, "A-2": now, "A-3": now, "A-4": now}
	kept := &load.Kept{WaitingMean: 9.5, WaitingMin: 8, Renewed: 2, Received: map[string]time.Time{
		"A-1": now.Add(20 * time.Millisecond), "A-2": now.Add(70 * time.Millisecond), "A-3": now.Add(-time.Millisecond),
	}}
	costs := shares{
		worker: []time.Duration{time.Second, 4 * time.Second},
		meter: stageMeter{readings: []stageReading{
			{at: now, reading: reading{busy: 0}},
			{at: now.Add(10 * time.Second), reading: reading{server: 6 * time.Second, postgres: 3 * time.Second, busy: 12 * time.Second}},
		}},
	}
	var got report.Waiting
	if err := addCrowd(&got, kept, commits, costs); err != nil {
		t.Fatal(err)
	}
	if got.Outcomes != 3 || got.P50.Round(time.Millisecond) != 20*time.Millisecond || got.Max != 70*time.Millisecond ||
		got.Window != 10*time.Second || got.WaitingMin != 8 || got.Renewed != 2 {
		t.Errorf("%+v", got)
	}
	if got.ServerCPU != 2*time.Second || got.OthersCPU != time.Second || got.PostgresCPU != time.Second || got.OtherShare > 0.001 {
		t.Errorf("%+v", got)
	}
	delete(commits, "A-2")
	if err := addCrowd(&got, kept, commits, costs); err == nil || !strings.Contains(err.Error(), "A-2") {
		t.Errorf("an outcome that there is not: %v", err)
	}
	if err := addCrowd(&got, &load.Kept{}, commits, costs); !errors.Is(err, errNothingEnded) {
		t.Errorf("no outcome: %v", err)
	}
}

func TestFresh_isFromTheCommitToTheReceiptOfWhatIsNew(t *testing.T) {
	now := time.Now()
	events := map[int64]time.Time{1: now.Add(-time.Second), 2: now, 3: now.Add(time.Second)}
	receipts := []consumer.Receipt{
		{Event: "evt_a_1", At: now.Add(time.Hour)}, // of the warm-up
		{Event: "evt_a_2", At: now.Add(10 * time.Millisecond)},
		{Event: "evt_b_3", At: now.Add(time.Second + 90*time.Millisecond)},
	}
	got, err := freshOf(receipts, events, now)
	if err != nil || got.Payments != 2 || got.P50.Round(time.Millisecond) != 10*time.Millisecond || got.P99.Round(time.Millisecond) != 90*time.Millisecond {
		t.Errorf("%+v, %v", got, err)
	}
	for _, event := range []string{"evt_a_4", "evt", "evt_a_"} {
		if _, err := freshOf([]consumer.Receipt{{Event: event, At: now}}, events, now); err == nil {
			t.Errorf("%q is taken for an event on record", event)
		}
	}
}

func TestOptions_tellingTakesFourMinutesOrSo(t *testing.T) {
	opts, err := parseOptions(nil, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	if limit := opts.tellLimit(); limit < tellMax || limit > 8*time.Minute {
		t.Errorf("it may take %s", limit)
	}
	for _, sizes := range []tellSizes{tellFull, tellQuick, short(t).tell} {
		if sizes.clients%min(100, sizes.clients) != 0 || sizes.lookups%100 != 0 || sizes.webhooks%100 != 0 || sizes.endpoints%report.SeveralTenants != 0 {
			t.Errorf("%+v cannot be filled in whole batches", sizes)
		}
	}
}
