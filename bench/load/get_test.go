package load

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
)

// office is a server that is asked for payments, or tells of them when they are due.
type office struct {
	address string

	mu    sync.Mutex
	asked map[string]int
	keys  map[string]bool // Authorization headers that came
	waits map[string]bool // Prefer headers that came
}

func openOffice(t *testing.T, answer func(o *office, w http.ResponseWriter, r *http.Request, id string)) *office {
	t.Helper()
	o := &office{asked: map[string]int{}, keys: map[string]bool{}, waits: map[string]bool{}}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id := strings.TrimPrefix(r.URL.Path, "/v1/payments/")
		o.mu.Lock()
		o.asked[id]++
		o.keys[r.Header.Get("Authorization")] = true
		o.waits[r.Header.Get("Prefer")] = true
		o.mu.Unlock()
		answer(o, w, r, id)
	}))
	t.Cleanup(server.Close)
	o.address = strings.TrimPrefix(server.URL, "http://")
	return o
}

// tell answers with a payment.
func tell(w http.ResponseWriter, id string, final bool) {
	text := fmt.Sprintf(`{"id":%q,"final":%t}`, id, final)
	w.Header().Set("Content-Length", fmt.Sprint(len(text)))
	_, _ = w.Write([]byte(text))
}

func askPlan(o *office) Plan {
	return Plan{Address: o.address, Connections: 4, APIKey: "pbk_1_s", WarmUp: 20 * time.Millisecond, Window: 100 * time.Millisecond}
}

func TestGet_asksForAllPaymentsWithTheKeyAndCountsTheWindow(t *testing.T) {
	o := openOffice(t, func(_ *office, w http.ResponseWriter, _ *http.Request, id string) { tell(w, id, true) })
	probes := 0
	got, err := Get(t.Context(), askPlan(o), Lookups{IDs: []string{"pay_1", "pay_2", "pay_3"}, Named: true, Mark: `"final":true`},
		func() error { probes++; return nil })
	if err != nil {
		t.Fatal(err)
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	asked := 0
	for _, times := range o.asked {
		asked += times
	}
	if len(o.asked) != 3 || probes != 2 || got.Payments == 0 || got.Payments > int64(asked) || got.Refused != 0 {
		t.Errorf("%d of %d answers counted, %d refused, %v asked for; %d probes", got.Payments, asked, got.Refused, o.asked, probes)
	}
	if len(o.keys) != 1 || !o.keys["Bearer pbk_1_s"] {
		t.Errorf("the keys are %v", o.keys)
	}
}

func TestGet_countsAnswersThatAreWrong(t *testing.T) {
	for name, answer := range map[string]func(*office, http.ResponseWriter, *http.Request, string){
		"not found": func(_ *office, w http.ResponseWriter, r *http.Request, _ string) { http.NotFound(w, r) },
		"another":   func(_ *office, w http.ResponseWriter, _ *http.Request, _ string) { tell(w, "pay_9", true) },
		"not final": func(_ *office, w http.ResponseWriter, _ *http.Request, id string) { tell(w, id, false) },
	} {
		o := openOffice(t, answer)
		got, err := Get(t.Context(), askPlan(o), Lookups{IDs: []string{"pay_1"}, Named: true, Mark: `"final":true`}, noProbe)
		if err != nil || got.Payments == 0 || got.Refused != got.Payments || got.FirstWrong == "" {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
	if _, err := Get(t.Context(), Plan{Connections: 1}, Lookups{}, noProbe); !errors.Is(err, errNoIDs) {
		t.Errorf("nothing was asked for: %v", err)
	}
}

func TestHold_countsWhoIsAnsweredAndLetsTheOthersGo(t *testing.T) {
	o := openOffice(t, func(_ *office, w http.ResponseWriter, r *http.Request, id string) {
		if id == "pay_2" {
			tell(w, id, false)
			return
		}
		<-r.Context().Done() // nothing happens
	})
	probes := 0
	crowd := Crowd{Address: o.address, APIKey: "pbk_1_s", Clients: 20}
	answered, err := crowd.Hold(t.Context(), []string{"pay_1", "pay_2"}, 50*time.Millisecond, 50*time.Millisecond,
		func() error { probes++; return nil })
	if err != nil || answered != 10 || probes != 2 {
		t.Errorf("%d were answered, %d probes: %v", answered, probes, err)
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.asked) != 2 || !o.waits["wait=50"] || !o.keys["Bearer pbk_1_s"] {
		t.Errorf("%v, %v, %v", o.asked, o.waits, o.keys)
	}
}

func TestHold_isWorthNothingIfAClientIsTurnedAway(t *testing.T) {
	o := openOffice(t, func(_ *office, w http.ResponseWriter, _ *http.Request, _ string) {
		http.Error(w, "too many wait", http.StatusServiceUnavailable)
	})
	crowd := Crowd{Address: o.address, Clients: 3}
	_, err := crowd.Hold(t.Context(), []string{"pay_1"}, 100*time.Millisecond, time.Millisecond, noProbe)
	if err == nil || !strings.Contains(err.Error(), "too many wait") {
		t.Errorf("it ended with %v", err)
	}
	lost := errors.New("lost")
	waiting := openOffice(t, func(_ *office, _ http.ResponseWriter, r *http.Request, _ string) { <-r.Context().Done() })
	crowd.Address = waiting.address
	if _, err := crowd.Hold(t.Context(), []string{"pay_1"}, time.Millisecond, time.Millisecond, func() error { return lost }); !errors.Is(err, lost) {
		t.Errorf("a probe that failed: %v", err)
	}
	for _, c := range []Crowd{{Address: waiting.address}, {Address: waiting.address, Clients: CrowdMax + 1}} {
		if _, err := c.Hold(t.Context(), []string{"pay_1"}, 0, 0, noProbe); err == nil {
			t.Errorf("a crowd of %d", c.Clients)
		}
	}
	if _, err := crowd.Hold(t.Context(), nil, 0, 0, noProbe); !errors.Is(err, errNoIDs) {
		t.Errorf("they wait for nothing: %v", err)
	}
}

func TestHold_endsWithItsContext(t *testing.T) {
	o := openOffice(t, func(_ *office, _ http.ResponseWriter, r *http.Request, _ string) { <-r.Context().Done() })
	errNow := errors.New("now")
	ctx, cancel := context.WithTimeoutCause(t.Context(), 50*time.Millisecond, errNow)
	defer cancel()
	if _, err := (Crowd{Address: o.address, Clients: 3}).Hold(ctx, []string{"pay_1"}, time.Minute, 0, noProbe); !errors.Is(err, errNow) {
		t.Errorf("it ended with %v", err)
	}
}
