package app_test

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/paybuf/paybuf/internal/app"
	"github.com/paybuf/paybuf/payment"
	"github.com/paybuf/paybuf/processor/payer/simulator"
)

// watchfulPayer is a simulated payer that notices when it works on two charges of
// one payment at the same time. A client that has left does not end its call.
type watchfulPayer struct {
	*httptest.Server
	ledger string

	mu       sync.Mutex
	running  map[string]int
	overlaps []string
}

func newWatchfulPayer(t *testing.T, opts simulator.Options) *watchfulPayer {
	t.Helper()
	p := &watchfulPayer{ledger: filepath.Join(t.TempDir(), "payer.ndjson"), running: map[string]int{}}
	opts.Ledger = p.ledger
	engine, err := simulator.Open(opts)
	if err != nil {
		t.Fatal(err)
	}
	p.Server = httptest.NewServer(p.watch(engine.Handler()))
	t.Cleanup(func() {
		p.Close()
		if err := engine.Close(); err != nil {
			t.Error(err)
		}
	})
	return p
}

func (p *watchfulPayer) watch(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost { // a question, which may be about a call that was given up
			next.ServeHTTP(w, r)
			return
		}
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return // the client has left before the payer heard it
		}
		var charge struct {
			Reference string `json:"reference"`
		}
		if err := json.Unmarshal(body, &charge); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		p.note(charge.Reference, 1)
		defer p.note(charge.Reference, -1)
		next.ServeHTTP(w, r)
	})
}

func (p *watchfulPayer) note(reference string, change int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.running[reference] += change; p.running[reference] > 1 {
		p.overlaps = append(p.overlaps, reference)
	}
}

// The payer ignores keys and goes on with calls that were given up; messages come
// again while they are being worked on, and every order is sent several times,
// after the stream has forgotten it.
func TestProcessors_neverChargeOnePaymentTwiceAtOnce(t *testing.T) {
	t.Parallel()
	const orders, rounds = 40, 3
	payer := newWatchfulPayer(t, simulator.Options{
		Latency: 20 * time.Millisecond, Jitter: 600 * time.Millisecond, IgnoreKeys: true,
		Faults: simulator.Faults{ErrorAfter: 0.1, ResetAfter: 0.1, Unavailable: 0.1},
	})
	in := install(t)
	change := func(opts app.Options) app.Options {
		opts.PayerURL = payer.URL
		opts.Payer.Traits = &payment.Traits{CanLookup: true, VisibilityDelay: time.Second}
		opts.Buffer.AckWait, opts.Buffer.DedupWindow = 200*time.Millisecond, 200*time.Millisecond
		opts.Processor.Concurrency = 4
		opts.Processor.PayTimeout = 500 * time.Millisecond // some calls take longer
		opts.Processor.Lease = 2500 * time.Millisecond     // the shortest there may be
		return opts
	}
	c := in.client(in.startWith(change(in.options(app.RoleIngest, app.RoleStatus))), "acme")
	for range 2 {
		in.startWith(change(in.options(app.RoleProcessor)))
	}
	due := map[payment.ID]int64{}
	for range rounds {
		for i := range orders {
			got := c.post(order("A-"+itoa(i), 100+i))
			if got.status != http.StatusAccepted && got.status != http.StatusOK {
				t.Fatalf("%d %s", got.status, got.text)
			}
			due[got.shown.ID] = got.shown.Amount
		}
	}
	equal(t, "payments", len(due), orders)
	c.awaitSucceeded(due)

	payer.mu.Lock()
	defer payer.mu.Unlock()
	if len(payer.overlaps) > 0 {
		t.Errorf("two charges at once for %v", payer.overlaps)
	}
	charged := map[string]int{}
	for charge, err := range simulator.Charges(payer.ledger) {
		if err != nil {
			t.Fatal(err)
		}
		charged[charge.Reference]++
	}
	for id := range due {
		equal(t, "charges of "+string(id), charged[string(id)], 1)
	}
}
