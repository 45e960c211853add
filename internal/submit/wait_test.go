package submit

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/paybuf/paybuf/payment"
)

func TestWait_countsEveryEndAndSumsWhatSucceeded(t *testing.T) {
	ends := map[string]payment.State{
		"A-1": payment.Succeeded, "A-2": payment.Succeeded, "A-3": payment.Succeeded,
		"A-4": payment.Failed, "A-5": payment.Canceled, "A-6": payment.Parked,
	}
	api := &fakeAPI{outcome: func(order fakeOrder, poll int) payment.State {
		if poll == 1 && order.OrderNumber == "A-1" {
			return payment.Paying
		}
		return ends[order.OrderNumber]
	}}
	tr := newTrial(t, api, "orders.csv", csvOf("A-1,1000,EUR,tok", "A-2,500,EUR,tok", "A-3,77,JPY,tok",
		"A-4,1,EUR,tok", "A-5,1,EUR,tok", "A-6,1,EUR,tok", "A-1,1000,EUR,tok", "A-2,501,EUR,tok"))
	tr.opts.Wait = true
	summary := tr.run(t)
	wantCounts(t, summary, 6, 1, 1, 0, 0)
	s := summary.Settlement
	if s.Payments != 6 || s.Succeeded != 3 || s.Failed != 1 || s.Canceled != 1 || s.Parked != 1 || s.Unsettled != 0 {
		t.Errorf("got %+v", s)
	}
	if len(s.SucceededMinor) != 2 || s.SucceededMinor["EUR"] != 1500 || s.SucceededMinor["JPY"] != 77 {
		t.Errorf("sums %v", s.SucceededMinor)
	}
	if summary.Lost() {
		t.Error("nothing is lost")
	}
}

func TestWait_whatIsNotFinalInTimeIsUnsettled(t *testing.T) {
	api := &fakeAPI{outcome: func(order fakeOrder, _ int) payment.State {
		if order.OrderNumber == "A-1" {
			return payment.Unknown
		}
		return payment.Succeeded
	}}
	tr := newTrial(t, api, "orders.csv", csvOf("A-1,5,EUR,tok", "A-2,5,EUR,tok"))
	tr.opts.Wait, tr.opts.WaitTimeout = true, 300*time.Millisecond
	began := time.Now()
	summary := tr.run(t)
	if s := summary.Settlement; s.Unsettled != 1 || s.Succeeded != 1 || !summary.Lost() {
		t.Errorf("got %+v", s)
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("took %s", took)
	}
}

func TestWait_aPaymentThatCannotBeReadIsReadAgain(t *testing.T) {
	var gets atomic.Int32
	api := &fakeAPI{before: func(_ int, w http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodPost {
			return false
		}
		switch gets.Add(1) {
		case 1:
			panic(http.ErrAbortHandler)
		case 2:
			refuse(w, http.StatusServiceUnavailable, "unavailable", "", "later")
			return true
		}
		return false
	}}
	tr := newTrial(t, api, "orders.csv", csvOf("A-1,5,EUR,tok"))
	tr.opts.Wait = true
	s := tr.run(t).Settlement
	if s.Succeeded != 1 || s.LastError != "" || gets.Load() != 3 {
		t.Errorf("%d reads, got %+v", gets.Load(), s)
	}
}

func TestWait_theAPISaysWhenTheLastFewHaveEnded(t *testing.T) {
	var asks, holds atomic.Int32
	api := &fakeAPI{before: func(_ int, w http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodGet {
			asks.Add(1)
			if r.Header.Get("Prefer") != "" {
				holds.Add(1)
				w.Header().Set("Preference-Applied", "wait")
			}
		}
		return false
	}}
	tr := newTrial(t, api, "orders.csv", csvOf("A-1,5,EUR,tok", "A-2,5,EUR,tok", "A-3,5,EUR,tok"))
	tr.opts.Wait, tr.opts.Concurrency = true, 3
	if s := tr.run(t).Settlement; s.Succeeded != 3 || asks.Load() != 3 || holds.Load() != 3 {
		t.Errorf("asked %d times, %d of them to be told, got %+v", asks.Load(), holds.Load(), s)
	}
}

func TestWait_stuckPaymentsDoNotHideTheFinishedOnesBehindThem(t *testing.T) {
	const stuck, all = lookAheadMin + 50, lookAheadMin + 200
	var rows []string
	for i := range all {
		rows = append(rows, fmt.Sprintf("A-%04d,5,EUR,tok", i))
	}
	api := &fakeAPI{outcome: func(order fakeOrder, _ int) payment.State {
		if order.OrderNumber < fmt.Sprintf("A-%04d", stuck) {
			return payment.Pending
		}
		return payment.Succeeded
	}}
	tr := newTrial(t, api, "orders.csv", csvOf(rows...))
	tr.opts.Wait, tr.opts.WaitTimeout, tr.opts.Concurrency = true, 2*time.Second, 1
	s := tr.run(t).Settlement
	if s.Succeeded != all-stuck || s.Unsettled != stuck {
		t.Errorf("got %+v", s)
	}
}

func TestTally_keepsPaymentsOnceAndInOrder(t *testing.T) {
	tally := newTally(true)
	for _, number := range []string{"B", "A", "B", "C"} {
		tally.accepted(fakeID(number), false, time.Millisecond)
	}
	if got, want := tally.payments(), []payment.ID{fakeID("B"), fakeID("A"), fakeID("C")}; !slices.Equal(got, want) {
		t.Errorf("got %v", got)
	}
	forgetful := newTally(false)
	forgetful.accepted(fakeID("A"), false, time.Millisecond)
	if got := forgetful.payments(); len(got) != 0 {
		t.Errorf("kept %v", got)
	}
}

func TestTally_showsTheFirstRowsHoweverLateTheyCome(t *testing.T) {
	tally := newTally(false)
	for line := int64(100); line > 0; line-- {
		tally.unsendable(Refusal{Row: Row{Pass: 1, Line: line}})
		tally.lost(Row{Pass: 2, Line: line}, http.ErrHandlerTimeout)
	}
	s := tally.result()
	if len(s.Refusals) != refusalsShownMax || s.Refusals[0].Line != 1 || s.Refusals[4].Line != 5 {
		t.Errorf("refusals %+v", s.Refusals)
	}
	if len(s.LostRows) != lostShownMax || s.LostRows[9] != (Row{Pass: 2, Line: 10}) {
		t.Errorf("lost rows %+v", s.LostRows)
	}
	if s.Refused != 100 || s.LostRequests != 100 || !strings.Contains(s.LastError, "Handler timeout") {
		t.Errorf("got %+v", s)
	}
}
