package submit

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/paybuf/paybuf/client"
	"github.com/paybuf/paybuf/payment"
)

const (
	retriedBatch = payment.BatchID("bat_6hipcqekvidpkogichfupc3c5e")
	otherBatch   = payment.BatchID("bat_aaaaaaaaaaaaaaaaaaaaaaaaaa")
)

// chainAPI knows batches with failed payments, and what was sent to retry them.
type chainAPI struct {
	failed map[payment.BatchID][]string // members of each failed payment but for its id

	mu     sync.Mutex
	chains map[string]bool // order number and retry_of of what was sent
	sent   []string
	asked  []string
}

func (c *chainAPI) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if r.Method == http.MethodGet {
		c.list(w, r)
		return
	}
	body, _ := io.ReadAll(r.Body)
	var order struct {
		OrderNumber string     `json:"order_number"`
		RetryOf     payment.ID `json:"retry_of"`
	}
	if err := json.Unmarshal(body, &order); err != nil {
		refuse(w, http.StatusBadRequest, "malformed_request", "", err.Error())
		return
	}
	c.sent = append(c.sent, string(body))
	identity := order.OrderNumber + " " + string(order.RetryOf)
	duplicate := c.chains[identity]
	c.chains[identity] = true
	w.WriteHeader(http.StatusAccepted)
	_, _ = fmt.Fprintf(w, `{"id":%q,"order_number":%q,"state":"queued","duplicate":%t}`, fakeID(identity), order.OrderNumber, duplicate)
}

// list gives one payment per page.
func (c *chainAPI) list(w http.ResponseWriter, r *http.Request) {
	c.asked = append(c.asked, r.URL.RequestURI())
	batch := payment.BatchID(strings.TrimSuffix(strings.TrimPrefix(r.URL.Path, "/v1/batches/"), "/payments"))
	listed, known := c.failed[batch]
	if !known {
		refuse(w, http.StatusNotFound, "not_found", "", "no such batch")
		return
	}
	at := len(r.URL.Query().Get("cursor"))
	page, next := "", "null"
	if at < len(listed) {
		page = fmt.Sprintf(`{"id":%q,"state":"failed",%s}`, fakeID(listed[at]), listed[at])
	}
	if at+1 < len(listed) {
		next = `"` + strings.Repeat("x", at+1) + `"`
	}
	_, _ = fmt.Fprintf(w, `{"object":"list","data":[%s],"next_cursor":%s}`, page, next)
}

func newChainAPI() *chainAPI {
	return &chainAPI{chains: map[string]bool{}, failed: map[payment.BatchID][]string{
		retriedBatch: {`"order_number":"A-2","retry_of":null`, `"order_number":"A-4","retry_of":null`},
		otherBatch:   {`"order_number":"A-5","retry_of":null`},
	}}
}

func wantSent(t *testing.T, api *chainAPI, want ...string) {
	t.Helper()
	api.mu.Lock()
	defer api.mu.Unlock()
	slices.Sort(api.sent)
	slices.Sort(want)
	if !slices.Equal(api.sent, want) {
		t.Errorf("sent %s\nwant %s", strings.Join(api.sent, "\n     "), strings.Join(want, "\n     "))
	}
}

func TestRetryFailed_sendsOnlyWhatHasFailed(t *testing.T) {
	api := newChainAPI()
	tr := newTrial(t, api, "orders.csv", csvOf("A-1,5,EUR,tok", "A-2,5,EUR,tok_2", "A-3,x,EUR,tok", "A-4,5,EUR,tok_4", "A-5,5,EUR,tok"))
	tr.opts.RetryFailed = []payment.BatchID{retriedBatch}
	summary := tr.run(t)
	wantCounts(t, summary, 2, 0, 0, 1, 0)
	if summary.Skipped != 2 || !slices.Equal(summary.Retried, tr.opts.RetryFailed) {
		t.Errorf("got %+v", summary)
	}
	body := `{"order_number":"%s","amount":5,"currency":"EUR","payment_method":"%s","retry_of":"%s"}`
	want := []string{
		fmt.Sprintf(body, "A-2", "tok_2", fakeID(api.failed[retriedBatch][0])),
		fmt.Sprintf(body, "A-4", "tok_4", fakeID(api.failed[retriedBatch][1])),
	}
	wantSent(t, api, want...)
	for _, line := range []string{"retried rows  ", "skipped rows  "} {
		if !strings.Contains(tr.stdout.String(), line) {
			t.Errorf("the summary is\n%s", tr.stdout.String())
		}
	}

	again := tr.run(t) // makes no third payment
	wantCounts(t, again, 0, 2, 0, 1, 0)
	wantSent(t, api, append(want, want...)...)
	if len(api.chains) != 2 {
		t.Errorf("payments: %v", api.chains)
	}
}

func TestRetryFailed_ofSeveralBatches(t *testing.T) {
	api := newChainAPI()
	tr := newTrial(t, api, "orders.csv", csvOf("A-1,5,EUR,tok", "A-2,5,EUR,tok", "A-5,5,EUR,tok"))
	tr.opts.RetryFailed, tr.opts.JSON = []payment.BatchID{retriedBatch, otherBatch}, true
	summary := tr.run(t)
	wantCounts(t, summary, 2, 0, 0, 0, 0)
	if !strings.Contains(tr.stdout.String(), `"retried_batches":["`+string(retriedBatch)+`","`+string(otherBatch)+`"],"skipped":1,`) {
		t.Errorf("the summary is %s", tr.stdout.String())
	}
	if len(api.asked) != 3 {
		t.Errorf("asked %q", api.asked)
	}
}

// A row that names a payment finds what tried that again, and no other.
func TestRetryFailed_aRowOfNDJSONIsChangedInOneMember(t *testing.T) {
	api := newChainAPI()
	first := fakeID("first")
	api.failed[retriedBatch] = append(api.failed[retriedBatch], `"order_number":"A-6","retry_of":"`+string(first)+`"`)
	tr := newTrial(t, api, "orders.ndjson", strings.Join([]string{
		`{"amount":1e0, "metadata":{"a":[1, 2]},"order_number":"A-\u0032","unknown":1}`,
		`{"order_number":"A-6","retry_of":"` + string(fakeID("other")) + `"}`,
		`{"order_number":"A-6","\u0072etry_of":"` + string(first) + `","x":"y"}`,
		`{"payment_token":"pbt_x","amount":1}`,
	}, "\n"))
	tr.opts.RetryFailed = []payment.BatchID{retriedBatch}
	summary := tr.run(t)
	wantCounts(t, summary, 2, 0, 0, 0, 0)
	if summary.Skipped != 2 {
		t.Errorf("got %+v", summary)
	}
	failed := api.failed[retriedBatch]
	wantSent(t, api,
		`{"retry_of":"`+string(fakeID(failed[0]))+`","amount":1e0,"metadata":{"a":[1, 2]},"order_number":"A-\u0032","unknown":1}`,
		`{"retry_of":"`+string(fakeID(failed[2]))+`","order_number":"A-6","x":"y"}`)
}

// The file of the first batch is sent again and again, whichever tries have failed.
func TestRetryFailed_aRowIsTheLastTryOfItsOrder(t *testing.T) {
	first := `"order_number":"A-5","retry_of":null`
	second := `"order_number":"A-5","retry_of":"` + string(fakeID(first)) + `"`
	third := `"order_number":"A-5","retry_of":"` + string(fakeID(second)) + `"`
	const a, b, c = retriedBatch, otherBatch, payment.BatchID("bat_caaaaaaaaaaaaaaaaaaaaaaaaa")
	for _, batches := range [][]payment.BatchID{{c}, {a, b, c}, {c, b, a}, {b, c, a}, {c, a, b}} {
		api := newChainAPI()
		api.failed = map[payment.BatchID][]string{a: {first}, b: {second}, c: {third}}
		tr := newTrial(t, api, "orders.csv", csvOf("A-5,5,EUR,tok"))
		tr.opts.RetryFailed = batches
		wantCounts(t, tr.run(t), 1, 0, 0, 0, 0)
		wantSent(t, api, fmt.Sprintf(
			`{"order_number":"A-5","amount":5,"currency":"EUR","payment_method":"tok","retry_of":"%s"}`, fakeID(third)))
	}
}

func TestRetryFailed_whatCannotBeListedEndsTheRun(t *testing.T) {
	tr := newTrial(t, newChainAPI(), "orders.csv", csvOf("A-1,5,EUR,tok"))
	tr.opts.RetryFailed = []payment.BatchID{"bat_baaaaaaaaaaaaaaaaaaaaaaaaa"}
	summary, err := Run(t.Context(), tr.opts)
	if err == nil || summary.Requests != 0 || ExitCode(summary, err) != ExitUsage {
		t.Errorf("got %+v, %v", summary, err)
	}
	tr.opts.RetryFailed, tr.opts.URL, tr.opts.GiveUpAfter = []payment.BatchID{retriedBatch}, "http://127.0.0.1:1", time.Millisecond
	if summary, err := Run(t.Context(), tr.opts); err == nil || ExitCode(summary, err) != ExitLost {
		t.Errorf("without an answer it is %d, %v", ExitCode(summary, err), err)
	}
	tr.opts.RetryFailed = []payment.BatchID{"nonsense"}
	if _, err := Run(t.Context(), tr.opts); err == nil || !strings.Contains(err.Error(), `"nonsense"`) {
		t.Errorf("got %v", err)
	}
}

func TestNDJSON_aPaymentTokenStandsForTheOrderNumber(t *testing.T) {
	api := newChainAPI()
	tr := newTrial(t, api, "orders.ndjson", `{"payment_token":"pbt_x","amount":1}`+"\n"+`{"amount":1}`)
	wantCounts(t, tr.run(t), 1, 0, 0, 1, 0)
	wantSent(t, api, `{"payment_token":"pbt_x","amount":1}`)
}

func TestBatch_itsIDsAreInTheSummary(t *testing.T) {
	api := &fakeAPI{}
	tr := newTrial(t, api, "orders.csv", csvOf("A-1,5,EUR,tok", "A-2,5,EUR,tok"))
	tr.opts.Batch, tr.opts.Repeat = 10, 3
	summary := tr.run(t)
	if !slices.Equal(summary.Batches, []payment.BatchID{retriedBatch}) { // the only one that it knows
		t.Errorf("got %v", summary.Batches)
	}
	if !strings.Contains(tr.stdout.String(), "batches, the first 1 of 1:\n  "+string(retriedBatch)) {
		t.Errorf("the summary is\n%s", tr.stdout.String())
	}
}

func TestColumns_ofATime(t *testing.T) {
	header := "order_number,amount,currency,payment_method"
	for name, got := range map[string]client.Order{
		"usual": mapped(t, header+",not_before", "A-1,5,EUR,tok,2026-11-21T10:00:00+01:00", Columns{}),
		"named": mapped(t, header+",due", "A-1,5,EUR,tok, 2026-11-21T09:00:00Z ", Columns{NotBefore: "due"}),
		"fixed": mapped(t, header, "A-1,5,EUR,tok", Columns{FixedNotBefore: "2026-11-21T09:00:00Z"}),
	} {
		if text := got.NotBefore.UTC().Format("2006-01-02 15:04"); text != "2026-11-21 09:00" {
			t.Errorf("%s: %s", name, text)
		}
	}
	if got := mapped(t, header+",not_before", "A-1,5,EUR,tok,", Columns{}); !got.NotBefore.IsZero() {
		t.Errorf("an empty field is %s", got.NotBefore)
	}
	tr := newTrial(t, &fakeAPI{}, "orders.csv", "order_number,amount,currency,payment_method,not_before\nA-1,5,EUR,tok,tomorrow\n")
	if summary := tr.run(t); summary.Refused != 1 || !strings.Contains(summary.Refusals[0].Detail, "/not_before must be a time") ||
		strings.Contains(summary.Refusals[0].Detail, "tomorrow") {
		t.Errorf("got %+v", summary)
	}
}

func TestOptions_aTimeThatWouldBePassedOverIsRefused(t *testing.T) {
	for name, opts := range map[string]Options{
		"of NDJSON":       {File: "a.ndjson", CSV: Columns{FixedNotBefore: "2026-11-21T09:00:00Z"}},
		"no time":         {File: "a.csv", CSV: Columns{FixedNotBefore: "soon"}},
		"column and time": {File: "a.csv", CSV: Columns{NotBefore: "due", FixedNotBefore: "2026-11-21T09:00:00Z"}},
	} {
		if _, err := Run(t.Context(), opts); err == nil || !strings.Contains(err.Error(), "not") || !strings.Contains(err.Error(), "before") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
