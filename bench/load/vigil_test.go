package load

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
)

// clock is a server that takes payments in and tells who waits of each when it is due.
type clock struct {
	address string
	refuse  int // the payment that is refused, counted from 1; none if 0

	mu     sync.Mutex
	orders map[string]string    // by id
	due    map[string]time.Time // by id
	early  int                  // waits that were answered before
}

func openClock(t *testing.T) *clock {
	t.Helper()
	c := &clock{orders: map[string]string{}, due: map[string]time.Time{}}
	server := httptest.NewServer(c)
	t.Cleanup(server.Close)
	c.address = strings.TrimPrefix(server.URL, "http://")
	return c
}

func (c *clock) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodPost {
		c.take(w, r)
		return
	}
	id := strings.TrimPrefix(r.URL.Path, "/v1/payments/")
	c.mu.Lock()
	due := c.due[id]
	early := c.early == 0 // the first wait of all
	c.early = 1
	c.mu.Unlock()
	if early {
		tell(w, id, false)
		return
	}
	if err := Pause(r.Context(), time.Until(due)); err == nil {
		tell(w, id, true)
	}
}

func (c *clock) take(w http.ResponseWriter, r *http.Request) {
	var body struct {
		OrderNumber string    `json:"order_number"`
		NotBefore   time.Time `json:"not_before"`
	}
	if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	id := fmt.Sprintf("pay_%d", len(c.orders)+1)
	c.orders[id], c.due[id] = body.OrderNumber, body.NotBefore
	if len(c.orders) == c.refuse {
		http.Error(w, "no room", http.StatusServiceUnavailable)
		return
	}
	text := fmt.Sprintf(`{"id":%q}`, id)
	w.Header().Set("Content-Length", fmt.Sprint(len(text)))
	w.WriteHeader(http.StatusAccepted)
	_, _ = w.Write([]byte(text))
}

func (c *clock) vigil() Vigil {
	return Vigil{
		Crowd: Crowd{Address: c.address, APIKey: "pbk_1_s", Clients: 20}, Intake: c.address,
		Ahead: 200 * time.Millisecond, Run: 7, Window: 500 * time.Millisecond,
	}
}

func TestVigil_keepsAllWaitingAndSaysWhenEachHadItsOutcome(t *testing.T) {
	c := openClock(t)
	probes := 0
	kept, err := c.vigil().Keep(t.Context(), func() error { probes++; return nil })
	if err != nil {
		t.Fatal(err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	due := map[string]time.Time{}
	for id, order := range c.orders {
		due[order] = c.due[id]
	}
	if kept.Sent != int64(len(due)) || len(due) != len(c.orders) {
		t.Errorf("%d payments were sent, %d came for %d orders", kept.Sent, len(c.orders), len(due))
	}
	if len(kept.Received) < 20 || len(kept.Received) > len(due)-20 {
		t.Errorf("%d of %d outcomes came in the window", len(kept.Received), len(due))
	}
	for order, received := range kept.Received {
		if at, known := due[order]; !known || received.Before(at) {
			t.Errorf("order %s, due at %s, had its outcome at %s", order, at, received)
		}
	}
	if kept.WaitingMean <= 0 || kept.WaitingMean > 20 || kept.WaitingMin > kept.WaitingMean || kept.Renewed != 1 || probes != 2 {
		t.Errorf("%.1f waited, %.1f at least, %d waits were renewed; %d probes", kept.WaitingMean, kept.WaitingMin, kept.Renewed, probes)
	}
}

func TestVigil_isWorthNothingIfAPaymentIsRefused(t *testing.T) {
	c := openClock(t)
	c.refuse = 5
	if _, err := c.vigil().Keep(t.Context(), noProbe); !errors.Is(err, errNoID) || !strings.Contains(err.Error(), "no room") {
		t.Errorf("it ended with %v", err)
	}
	lost := errors.New("lost")
	if _, err := openClock(t).vigil().Keep(t.Context(), func() error { return lost }); !errors.Is(err, lost) {
		t.Errorf("a probe that failed: %v", err)
	}
	never := openClock(t).vigil()
	never.Ahead = 0
	if _, err := never.Keep(t.Context(), noProbe); err == nil {
		t.Error("payments that are due at once were waited for")
	}
}

func TestVigil_endsWithItsContext(t *testing.T) {
	c := openClock(t)
	errNow := errors.New("now")
	ctx, cancel := context.WithTimeoutCause(t.Context(), 300*time.Millisecond, errNow)
	defer cancel()
	if _, err := c.vigil().Keep(ctx, noProbe); !errors.Is(err, errNow) {
		t.Errorf("it ended with %v", err)
	}
}
