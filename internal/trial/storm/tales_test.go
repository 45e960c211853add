package storm_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/go-json-experiment/json"

	"github.com/paybuf/paybuf/internal/trial/storm"
	"github.com/paybuf/paybuf/payment"
)

// counter declines every card and refuses every cancellation, the first time
// without an answer.
type counter struct {
	mu       sync.Mutex
	shop     shop
	retries  map[string]int // by what they try again
	early    int            // payments for later
	silences int
	calls    int // cancellations
}

func (c *counter) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case r.Method == http.MethodGet:
		id := r.URL.Path[strings.LastIndex(r.URL.Path, "/")+1:]
		fmt.Fprintf(w, `{"id":%q,"amount":%d,"state":"failed","version":2}`, id, c.shop.first[strings.TrimPrefix(id, "pay_")].Amount)
	case strings.HasSuffix(r.URL.Path, "/cancel"):
		if c.calls++; c.calls%2 == 1 {
			c.silences++
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		w.WriteHeader(http.StatusConflict)
		fmt.Fprintf(w, `{"code":%q}`, payment.CodeNotCancelable)
	default:
		c.accept(w, r)
	}
}

func (c *counter) accept(w http.ResponseWriter, r *http.Request) {
	var asked struct {
		Number    string `json:"order_number"`
		Amount    int64  `json:"amount"`
		RetryOf   string `json:"retry_of"`
		NotBefore string `json:"not_before"`
	}
	body, err := io.ReadAll(r.Body)
	if err == nil {
		err = json.Unmarshal(body, &asked)
	}
	if err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	if asked.NotBefore != "" {
		c.early++
	}
	name := asked.Number
	if asked.RetryOf != "" {
		c.retries[asked.RetryOf]++
		name = strings.TrimPrefix(asked.RetryOf, "pay_") + "+"
	}
	_, known := c.shop.first[name]
	c.shop.first[name] = order{Amount: asked.Amount}
	path := "/v1/payments/pay_" + name
	w.Header().Set("Location", path)
	if known {
		w.Header().Set("Idempotent-Replayed", "true")
	}
	w.WriteHeader(http.StatusAccepted)
	fmt.Fprintf(w, `{"id":"pay_%s","order_number":%q,"amount":%d,"duplicate":%v,"accepted_at":"now","status_url":"http://%s%s"}`,
		name, asked.Number, asked.Amount, known, r.Host, path)
}

func TestTell_ordersAreTriedAgainCalledOffAndPaidLater(t *testing.T) {
	c := &counter{shop: shop{first: map[string]order{}}, retries: map[string]int{}}
	server := httptest.NewServer(c)
	defer server.Close()
	s := storm.New(storm.Config{Doors: []string{server.URL, server.URL}, Outages: true})
	defer s.Close()
	s.Tell(t.Context(), storm.Tales{Desk: server.URL, PerSecond: 1000, Orders: 30, Chains: 1, Cancels: 1, Schedules: 1})
	ledger := chargesOfNobody(t)
	balance, err := s.Balance(ledger)
	if _, faults := s.Judge(); err != nil || faults != nil {
		t.Fatal(err, faults)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for id, times := range c.retries {
		if times != 2 {
			t.Errorf("%s was tried again %d times, want two at once", id, times)
		}
	}
	told := balance.Told
	if told.Orders != 30 || told.Retries != len(c.retries) || told.Retries == 0 || told.Scheduled != c.early || c.early == 0 ||
		told.Granted != 0 || told.Refused == 0 || c.silences == 0 {
		t.Errorf("it counts %+v; the shop saw %d retries, %d for later, and left %d without an answer",
			told, len(c.retries), c.early, c.silences)
	}
}

// chargesOfNobody is the ledger of a payer that has charged nothing.
func chargesOfNobody(t *testing.T) string {
	t.Helper()
	ledger := t.TempDir() + "/ledger.ndjson"
	charge(t, ledger, nil)
	return ledger
}
