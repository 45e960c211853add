package submit

import (
	"cmp"
	"slices"
	"sync"
	"time"

	"github.com/paybuf/paybuf/internal/histogram"
	"github.com/paybuf/paybuf/payment"
)

const (
	refusalsShownMax = 5
	lostShownMax     = 10
	batchesKeptMax   = 10_000
	batchesShownMax  = 10
)

// tally counts the answers of a run. All lanes write to it.
type tally struct {
	mu      sync.Mutex
	summary Summary
	latency histogram.Histogram
	known   map[payment.ID]struct{} // nil if payments are not waited for
	ids     []payment.ID            // the same, the oldest first
	batches map[payment.BatchID]struct{}
}

func newTally(keepIDs bool) *tally {
	t := &tally{batches: map[payment.BatchID]struct{}{}}
	if keepIDs {
		t.known = make(map[payment.ID]struct{})
	}
	return t
}

func (t *tally) accepted(id payment.ID, duplicate bool, took time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.answered(took)
	if duplicate {
		t.summary.Duplicates++
	} else {
		t.summary.Accepted++
	}
	if _, known := t.known[id]; t.known != nil && !known {
		t.known[id] = struct{}{}
		t.ids = append(t.ids, id)
	}
}

func (t *tally) conflict(took time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.answered(took)
	t.summary.Conflicts++
}

func (t *tally) refused(refusal Refusal, took time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.answered(took)
	t.refuse(refusal)
}

// unsendable counts a row that was refused here, without a send.
func (t *tally) unsendable(refusal Refusal) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.summary.Requests++
	t.refuse(refusal)
}

func (t *tally) lost(row Row, why error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.summary.Requests++
	t.summary.LostRequests++
	t.summary.LostRows = keepFirst(t.summary.LostRows, row, lostShownMax, compareRows)
	t.summary.LastError = why.Error()
}

// batch notes where a batch can be asked for. One whose items were all known before
// has an id all the same.
func (t *tally) batch(id payment.BatchID) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if _, known := t.batches[id]; known || len(t.batches) == batchesKeptMax {
		return
	}
	t.batches[id] = struct{}{}
	t.summary.Batches = append(t.summary.Batches, id)
}

// skip counts a row that was left out since its payment has not failed.
func (t *tally) skip() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.summary.Skipped++
}

func (t *tally) retried() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.summary.Retries++
}

// answered and refuse are called with mu held.
func (t *tally) answered(took time.Duration) {
	t.summary.Requests++
	t.latency.Add(took)
}

func (t *tally) refuse(refusal Refusal) {
	t.summary.Refused++
	t.summary.Refusals = keepFirst(t.summary.Refusals, refusal, refusalsShownMax,
		func(a, b Refusal) int { return compareRows(a.Row, b.Row) })
}

// payments hands over the distinct payments. Nothing may be counted afterwards.
func (t *tally) payments() []payment.ID {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.known = nil
	return t.ids
}

// result gives the counts so far.
func (t *tally) result() Summary {
	t.mu.Lock()
	defer t.mu.Unlock()
	summary := t.summary
	summary.LatencyP50 = t.latency.Quantile(0.50)
	summary.LatencyP99 = t.latency.Quantile(0.99)
	return summary
}

func compareRows(a, b Row) int {
	return cmp.Or(cmp.Compare(a.Pass, b.Pass), cmp.Compare(a.Line, b.Line))
}

// keepFirst puts an item where it belongs and drops the last if there are too
// many: answers come in any order, but the first rows are to be shown.
func keepFirst[T any](items []T, item T, itemsMax int, compare func(a, b T) int) []T {
	at, _ := slices.BinarySearchFunc(items, item, compare)
	items = slices.Insert(items, at, item)
	return items[:min(len(items), itemsMax)]
}
