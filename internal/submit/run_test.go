package submit

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/paybuf/paybuf/internal/table"
	"github.com/paybuf/paybuf/payment"
)

func TestRun_repeatsWhatWasPutOff(t *testing.T) {
	api := &fakeAPI{before: func(n int, w http.ResponseWriter, _ *http.Request) bool {
		switch n {
		case 1:
			w.Header().Set("Retry-After", "1")
			refuse(w, http.StatusServiceUnavailable, "buffer_full", "", "later")
		case 2:
			refuse(w, http.StatusTooManyRequests, "busy", "", "later")
		case 3:
			panic(http.ErrAbortHandler) // the connection breaks
		}
		return n <= 2
	}}
	tr := newTrial(t, api, "orders.csv", csvOf("A-1,5,EUR,tok", "A-2,5,EUR,tok", "A-1,5,EUR,tok"))
	tr.opts.Concurrency = 1
	summary := tr.run(t)
	wantCounts(t, summary, 2, 1, 0, 0, 0)
	if summary.Retries != 3 {
		t.Errorf("%d retries", summary.Retries)
	}
	if summary.LatencyP99 < time.Second || summary.LatencyP50 > summary.LatencyP99 {
		t.Errorf("p50 %s, p99 %s", summary.LatencyP50, summary.LatencyP99)
	}
}

func TestRun_anAnswerThatWasLostIsADuplicateTheNextTime(t *testing.T) {
	inner := &fakeAPI{}
	lossy := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		inner.mu.Lock()
		n := inner.requests
		inner.mu.Unlock()
		if n%3 == 0 {
			inner.ServeHTTP(httptest.NewRecorder(), r)
			panic(http.ErrAbortHandler)
		}
		inner.ServeHTTP(w, r)
	})
	var rows []string
	for i := range 100 {
		rows = append(rows, fmt.Sprintf("A-%d,5,EUR,tok", i))
	}
	tr := newTrial(t, lossy, "orders.csv", csvOf(rows...))
	tr.opts.Wait, tr.opts.Concurrency = true, 4
	inner.before = nil
	summary := tr.run(t)
	if summary.LostRequests != 0 || summary.Accepted+summary.Duplicates != 100 || summary.Duplicates == 0 {
		t.Errorf("got %+v", summary)
	}
	if len(inner.orders) != 100 || summary.Settlement.Succeeded != 100 {
		t.Errorf("%d orders, %+v", len(inner.orders), summary.Settlement)
	}
}

// restarting serves an API on one address that is killed once and comes back.
type restarting struct {
	t       *testing.T
	address string
	server  *http.Server
	done    chan struct{} // of the serving
}

func (r *restarting) start(handler http.Handler) {
	deadline := time.Now().Add(10 * time.Second)
	var sockets net.ListenConfig
	listener, err := sockets.Listen(r.t.Context(), "tcp", r.address)
	for err != nil && time.Now().Before(deadline) {
		listener, err = sockets.Listen(r.t.Context(), "tcp", r.address)
	}
	if err != nil {
		r.t.Error(err)
		return
	}
	server, done := &http.Server{Handler: handler, ReadHeaderTimeout: time.Minute}, make(chan struct{})
	r.address, r.server, r.done = listener.Addr().String(), server, done
	go func() {
		defer close(done)
		_ = server.Serve(listener) // ends with kill
	}()
}

func (r *restarting) kill() {
	_ = r.server.Close()
	<-r.done
}

func TestRun_aServerThatIsKilledAndRestartedLosesNoRow(t *testing.T) {
	const rows = 400
	kill := make(chan struct{})
	api := &fakeAPI{before: func(n int, _ http.ResponseWriter, _ *http.Request) bool {
		if n == rows/2 {
			close(kill)
		}
		return false
	}}
	server := &restarting{t: t, address: "127.0.0.1:0"}
	server.start(api)
	restarted := make(chan struct{})
	go func() {
		defer close(restarted)
		<-kill
		server.kill()
		down := time.NewTimer(300 * time.Millisecond)
		<-down.C
		server.start(api)
	}()

	var lines []string
	for i := range rows {
		lines = append(lines, fmt.Sprintf("A-%d,5,EUR,tok", i))
	}
	tr := newTrialAt(t, "http://"+server.address, "orders.csv", csvOf(lines...))
	tr.opts.Concurrency, tr.opts.Wait = 4, true
	summary := tr.run(t)
	<-restarted
	server.kill()
	if summary.LostRequests != 0 || summary.Accepted+summary.Duplicates != rows || summary.Retries == 0 {
		t.Errorf("got %+v", summary)
	}
	if len(api.orders) != rows || summary.Settlement.Succeeded != rows {
		t.Errorf("%d orders, %+v", len(api.orders), summary.Settlement)
	}
}

func TestRun_givesUpOnAServerThatIsGone(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	server.Close() // its port refuses connections
	var lines []string
	for i := range 3 * lostInRowMax {
		lines = append(lines, fmt.Sprintf("A-%d,5,EUR,tok", i))
	}
	tr := newTrialAt(t, server.URL, "orders.csv", csvOf(lines...))
	tr.opts.GiveUpAfter, tr.opts.Concurrency = 300*time.Millisecond, 4
	tr.opts.Wait = true
	began := time.Now()
	summary := tr.run(t)
	if took := time.Since(began); took > 20*time.Second {
		t.Errorf("took %s", took)
	}
	// The other lanes may each lose one more before they hear of it.
	if summary.LostRequests < lostInRowMax || summary.LostRequests > lostInRowMax+4 || summary.Accepted != 0 {
		t.Errorf("got %+v", summary)
	}
	if !summary.Lost() || summary.Stopped == "" || !strings.Contains(summary.LastError, "refused") {
		t.Errorf("got %+v", summary)
	}
	// Lines are lost in the order of the lanes; line 2 is the first of its lane.
	if len(summary.LostRows) != lostShownMax || summary.LostRows[0].Line != 2 {
		t.Errorf("lost rows %+v", summary.LostRows)
	}
}

func TestRun_oneRowWithoutAnAnswerDoesNotStopTheOthers(t *testing.T) {
	api := &fakeAPI{before: func(_ int, w http.ResponseWriter, r *http.Request) bool {
		body, _ := io.ReadAll(r.Body)
		r.Body = io.NopCloser(strings.NewReader(string(body)))
		if !strings.Contains(string(body), `"A-1"`) {
			return false
		}
		refuse(w, http.StatusServiceUnavailable, "unavailable", "", "never")
		return true
	}}
	tr := newTrial(t, api, "orders.csv", csvOf("A-1,5,EUR,tok", "A-2,5,EUR,tok", "A-3,5,EUR,tok"))
	tr.opts.GiveUpAfter, tr.opts.Concurrency = 200*time.Millisecond, 1
	summary := tr.run(t)
	wantCounts(t, summary, 2, 0, 0, 0, 1)
	if summary.Stopped != "" || len(summary.LostRows) != 1 || summary.LostRows[0].Line != 2 {
		t.Errorf("got %+v", summary)
	}
}

func TestRun_countsARefusalAndWhatCouldNotBeSent(t *testing.T) {
	api := &fakeAPI{}
	tr := newTrial(t, api, "orders.csv",
		csvOf("A-1,5,EUR,tok", "A-2,0,EUR,tok", "A-3,abc,EUR,tok", "A-4,5,EUR", "A-5,-3,EUR,tok"))
	summary := tr.run(t)
	wantCounts(t, summary, 1, 0, 0, 4, 0)
	if len(api.bodies) != 3 {
		t.Errorf("sent %q", api.bodies)
	}
	want := []Refusal{
		{Row{1, 3}, payment.CodeInvalid, "refused: /amount must be greater than 0"},
		{Row{1, 4}, payment.CodeInvalid, "/amount must be a whole number of minor units, such as 1999"},
		{Row{1, 5}, payment.CodeMalformed, "wrong number of fields"},
		{Row{1, 6}, payment.CodeInvalid, "refused: /amount must be greater than 0"},
	}
	if fmt.Sprint(summary.Refusals) != fmt.Sprint(want) {
		t.Errorf("got  %+v\nwant %+v", summary.Refusals, want)
	}
	if ExitCode(summary, nil) != ExitAnswered {
		t.Error("a refusal is an answer")
	}
}

func TestRun_stopsAtOnceIfTheKeyOrTheURLCannotWork(t *testing.T) {
	for status, code := range map[int]string{
		http.StatusUnauthorized: "unauthenticated", http.StatusNotFound: "not_found",
	} {
		api := &fakeAPI{before: func(_ int, w http.ResponseWriter, _ *http.Request) bool {
			refuse(w, status, code, "", "no")
			return true
		}}
		var lines []string
		for i := range 1000 {
			lines = append(lines, fmt.Sprintf("A-%d,5,EUR,tok", i))
		}
		tr := newTrial(t, api, "orders.csv", csvOf(lines...))
		summary, err := Run(t.Context(), tr.opts)
		if err == nil || !strings.Contains(err.Error(), code) || ExitCode(summary, err) != ExitUsage {
			t.Errorf("%d: got %v", status, err)
		}
		if api.requests > 2*ConcurrencyDefault || summary.Refused != int64(api.requests) {
			t.Errorf("%d: %d requests, %+v", status, api.requests, summary)
		}
		checkSum(t, summary)
	}
}

func TestRun_anInterruptEndsWithTheSummarySoFar(t *testing.T) {
	ctx, interrupt := context.WithCancel(t.Context())
	hold := make(chan struct{})
	api := &fakeAPI{before: func(n int, _ http.ResponseWriter, _ *http.Request) bool {
		if n <= 20 {
			return false
		}
		interrupt()
		<-hold
		return false
	}}
	var lines []string
	for i := range 1000 {
		lines = append(lines, fmt.Sprintf("A-%d,5,EUR,tok", i))
	}
	tr := newTrial(t, api, "orders.csv", csvOf(lines...))
	t.Cleanup(func() { close(hold) })
	tr.opts.Wait, tr.opts.Concurrency = true, 4
	summary, err := Run(ctx, tr.opts)
	if err != nil || !summary.Interrupted || ExitCode(summary, err) != ExitInterrupted {
		t.Fatalf("got %+v, %v", summary, err)
	}
	checkSum(t, summary)
	if summary.Accepted == 0 || summary.Accepted > 20 || summary.LostRequests == 0 || summary.LostRequests > 4 {
		t.Errorf("got %+v", summary)
	}
	if s := summary.Settlement; s.Payments != summary.Accepted || s.Unsettled != s.Payments {
		t.Errorf("got %+v", s)
	}
	if !strings.Contains(tr.stdout.String(), "may be sent again") {
		t.Errorf("wrote %s", tr.stdout.String())
	}
}

func TestRun_readsStandardInput(t *testing.T) {
	tr := newTrial(t, &fakeAPI{}, "unused.csv", "")
	tr.opts.File, tr.opts.Format = "-", NDJSON
	tr.opts.Stdin = strings.NewReader(`{"order_number":"A-1","amount":5,"currency":"EUR","payment_method":"tok"}` + "\n")
	wantCounts(t, tr.run(t), 1, 0, 0, 0, 0)
}

func TestRun_sendsTheKey(t *testing.T) {
	api := &fakeAPI{before: func(_ int, w http.ResponseWriter, r *http.Request) bool {
		if r.Header.Get("Authorization") == "Bearer pbk_1_s" {
			return false
		}
		refuse(w, http.StatusUnauthorized, "unauthenticated", "", "no key")
		return true
	}}
	tr := newTrial(t, api, "orders.csv", csvOf("A-1,5,EUR,tok"))
	tr.opts.Key, tr.opts.Wait = "pbk_1_s", true
	if s := tr.run(t); s.Accepted != 1 || s.Settlement.Succeeded != 1 {
		t.Errorf("got %+v", s)
	}
}

func TestRun_writesJSONIfAskedAndNothingElse(t *testing.T) {
	tr := newTrial(t, &fakeAPI{}, "orders.csv", csvOf("A-1,5,EUR,tok"))
	tr.opts.JSON = true
	tr.run(t)
	var got struct {
		Requests int `json:"requests"`
	}
	if err := json.Unmarshal(tr.stdout.Bytes(), &got); err != nil || got.Requests != 1 {
		t.Errorf("wrote %s: %v", tr.stdout.String(), err)
	}
	if tr.stderr.Len() != 0 {
		t.Errorf("quiet, but wrote %s", tr.stderr.String())
	}
}

func TestRun_aFileThatBreaksOffIsAnErrorAfterWhatWasSent(t *testing.T) {
	tr := newTrial(t, &fakeAPI{}, "orders.csv", csvOf("A-1,5,EUR,tok", `A-2,5,EUR,"`+strings.Repeat("x\n", table.RowBytesMax)))
	summary, err := Run(t.Context(), tr.opts)
	if !errors.Is(err, table.ErrRowTooLong) || summary.Accepted != 1 || ExitCode(summary, err) != ExitUsage {
		t.Errorf("got %+v, %v", summary, err)
	}
	if !strings.Contains(tr.stdout.String(), "accepted") {
		t.Errorf("no summary of what was sent: %s", tr.stdout.String())
	}
}

func TestRun_findsWhatCannotWorkBeforeItSends(t *testing.T) {
	never := http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("sent something") })
	missing := filepath.Join(t.TempDir(), "missing.csv")
	for want, change := range map[string]func(*Options){
		"no file":                             func(o *Options) { o.File = "" },
		"say which format":                    func(o *Options) { o.File = "-" },
		"must be csv or ndjson":               func(o *Options) { o.Format = "xlsx" },
		"no such file":                        func(o *Options) { o.File = missing },
		"is a directory":                      func(o *Options) { o.File, o.Format = filepath.Dir(missing), CSV },
		"must begin with http":                func(o *Options) { o.URL = "localhost:8080" },
		"batch 1001: must be 0 to 1000":       func(o *Options) { o.Batch = 1001 },
		"batch -1: must be 0 to 1000":         func(o *Options) { o.Batch = -1 },
		"concurrency -1: must be 1 to 1024":   func(o *Options) { o.Concurrency = -1 },
		"concurrency 1025":                    func(o *Options) { o.Concurrency = 1025 },
		"repeat -1":                           func(o *Options) { o.Repeat = -1 },
		"can be read only once":               func(o *Options) { o.File, o.Format, o.Repeat = "-", CSV, 2 },
		"must not be negative":                func(o *Options) { o.WaitTimeout = -1 },
		"must be minor or major":              func(o *Options) { o.CSV.AmountUnit = "cents" },
		"currency: give a column or one":      func(o *Options) { o.CSV.Currency, o.CSV.FixedCurrency = "a", "b" },
		"payment method: give a column or on": func(o *Options) { o.CSV.PaymentMethod, o.CSV.FixedPaymentMethod = "a", "b" },
		"no column \"nr\"":                    func(o *Options) { o.CSV.Order = "nr" },
	} {
		tr := newTrial(t, never, "orders.csv", csvOf("A-1,5,EUR,tok"))
		change(&tr.opts)
		summary, err := Run(t.Context(), tr.opts)
		if err == nil || !strings.Contains(err.Error(), want) || ExitCode(summary, err) != ExitUsage {
			t.Errorf("%s: got %v", want, err)
		}
		if tr.stdout.Len() > 0 {
			t.Errorf("%s: wrote a summary of nothing", want)
		}
	}
}

func TestRun_aHeaderWithoutRowsIsDone(t *testing.T) {
	tr := newTrial(t, &fakeAPI{}, "orders.CSV", csvOf())
	if err := os.Truncate(tr.opts.File, int64(len(csvOf())-1)); err != nil {
		t.Fatal(err)
	}
	if summary := tr.run(t); summary.Requests != 0 || summary.Lost() {
		t.Errorf("got %+v", summary)
	}
}
