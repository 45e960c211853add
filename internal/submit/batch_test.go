package submit

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/paybuf/paybuf/client"
)

// acceptBatch answers each line as if it had come alone.
func (f *fakeAPI) acceptBatch(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	var items, putOff []string
	accepted := 0
	for i, line := range strings.Split(string(body), "\n") {
		alone := httptest.NewRecorder()
		member := "problem"
		switch known := f.repeated(line); {
		case strings.Contains(line, `"later"`) && !known:
			putOff = append(putOff, line)
			refuse(alone, http.StatusServiceUnavailable, "buffer_full", "", "later")
		case strings.Contains(line, `"over"`) && !known:
			putOff = append(putOff, line)
			refuse(alone, http.StatusTooManyRequests, "tenant_share_exceeded", "", "later")
		default:
			f.accept(alone, httptest.NewRequestWithContext(r.Context(), http.MethodPost, "/v1/payments", strings.NewReader(line)))
		}
		if alone.Code == http.StatusAccepted {
			member = "payment"
			accepted++
		}
		items = append(items, fmt.Sprintf(`{"index":%d,"status":%d,%q:%s}`, i, alone.Code, member, alone.Body))
	}
	f.bodies = append(f.bodies, putOff...) // the next time they are taken
	answer := fmt.Sprintf(`{"id":"bat_6hipcqekvidpkogichfupc3c5e","code":"batch_refused","items":[%s]}`, strings.Join(items, ","))
	if accepted == 0 {
		w.Header().Set("Content-Type", "application/problem+json")
		w.WriteHeader(http.StatusUnprocessableEntity)
	} else {
		w.WriteHeader(http.StatusAccepted)
	}
	_, _ = io.WriteString(w, answer)
}

// repeated tells whether a body came through before.
func (f *fakeAPI) repeated(body string) bool { return slices.Contains(f.bodies, body) }

func TestBatch_theOutcomeIsThatOfSingleRequests(t *testing.T) {
	for _, batch := range []int{2, 7, 100, 1000} {
		for _, format := range []Format{CSV, NDJSON} {
			t.Run(fmt.Sprintf("%d %s", batch, format), func(t *testing.T) {
				lines, accepted, duplicates, conflicts, refused, sumMinor := messyRows(uint64(batch), 500)
				content := csvOf(lines...)
				if format == NDJSON {
					content = asNDJSON(t, lines)
				}
				api := &fakeAPI{before: dawdle}
				tr := newTrial(t, api, "orders."+string(format), content)
				tr.opts.Batch, tr.opts.Concurrency, tr.opts.Wait = batch, 3, true
				summary := tr.run(t)
				wantCounts(t, summary, accepted, duplicates, conflicts, refused, 0)
				if got := summary.Settlement.SucceededMinor["EUR"]; got != sumMinor {
					t.Errorf("sum %d, want %d", got, sumMinor)
				}
				if posts := api.requests - int(accepted); posts > 300 {
					t.Errorf("%d requests for 500 rows", posts)
				}
			})
		}
	}
}

// An item that is put off is sent again as a batch of one, and what repeats it after
// it.
func TestBatch_whatIsPutOffIsRepeated(t *testing.T) {
	api := &fakeAPI{}
	s, tally := newBatchSender(t, api)
	var batch []request
	for i, number := range []string{"A-1", "later", "A-2", "later", "over"} {
		batch = append(batch, request{row: Row{Pass: 1, Line: int64(i + 1)}, orderNumber: number, order: client.Order{
			OrderNumber: number, AmountMinor: 5, Currency: "EUR", PaymentMethod: "tok",
		}})
	}
	s.sendBatch(t.Context(), batch)
	wantCounts(t, tally.result(), 4, 1, 0, 0, 0)
	if api.requests != 4 {
		t.Errorf("%d requests, want the batch and three more", api.requests)
	}
}

func TestBatch_aRunThatIsStoppedLosesWhatWasPutOff(t *testing.T) {
	api := &fakeAPI{}
	s, tally := newBatchSender(t, api)
	s.stop(errGone)
	s.sendBatch(t.Context(), []request{{orderNumber: "A-1"}, {orderNumber: "A-2"}})
	if result := tally.result(); result.Requests != 0 || api.requests != 0 {
		t.Errorf("after the stop: %+v", result)
	}
	s, tally = newBatchSender(t, api)
	ctx, cancel := context.WithCancel(t.Context())
	api.before = func(_ int, w http.ResponseWriter, _ *http.Request) bool {
		w.WriteHeader(http.StatusAccepted)
		_, _ = io.WriteString(w, `{"id":"bat_6hipcqekvidpkogichfupc3c5e","items":[
			{"index":0,"status":503,"problem":{"status":503}},{"index":1,"status":422,"problem":{"status":422}}]}`)
		s.stop(errGone)
		return true
	}
	s.sendBatch(ctx, []request{{orderNumber: "A-1"}, {orderNumber: "A-2"}})
	cancel()
	wantCounts(t, tally.result(), 0, 0, 0, 1, 1)
}

func TestBatch_anAPIThatKnowsNoBatchesStopsTheRun(t *testing.T) {
	api := &fakeAPI{before: func(_ int, w http.ResponseWriter, _ *http.Request) bool {
		refuse(w, http.StatusMethodNotAllowed, "method_not_allowed", "", "no")
		return true
	}}
	s, tally := newBatchSender(t, api)
	s.sendBatch(t.Context(), []request{{orderNumber: "A-1"}, {orderNumber: "A-2"}})
	wantCounts(t, tally.result(), 0, 0, 0, 2, 0)
	if s.reason() == nil {
		t.Error("the run goes on")
	}
}

func newBatchSender(t *testing.T, api http.Handler) (*sender, *tally) {
	t.Helper()
	server := httptest.NewServer(api)
	t.Cleanup(server.Close)
	tally := newTally(false)
	return &sender{
		api: client.New(server.URL, client.Config{HTTPClient: server.Client()}), concurrency: 1, batch: 1000,
		tally: tally, patience: newPatience(time.Minute), meter: newMeter("sending", "requests", 0),
	}, tally
}
