package ingest_test

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/paybuf/paybuf/ingest"
	"github.com/paybuf/paybuf/payment"
)

// waiting is a hub at which a payment comes to a state.
type waiting struct {
	state   payment.State
	refuses bool

	mu     sync.Mutex
	asked  int
	enough bool
	until  time.Time
}

func (w *waiting) Wait(
	_ context.Context, tenant payment.TenantID, id payment.ID, until time.Time, see func(payment.Payment) bool,
) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.asked++
	p := payment.Payment{Request: payment.Request{ID: id, Tenant: tenant, OrderNumber: "A-1001"}, State: w.state, Version: 2}
	if w.until = until; !w.refuses {
		w.enough = see(p)
	}
	return !w.refuses
}

func prefers(lists ...string) func(*http.Request) {
	return func(r *http.Request) { r.Header["Prefer"] = lists }
}

func TestPost_waitsForTheOutcome(t *testing.T) {
	hub := &waiting{state: payment.Succeeded}
	service := serve(t, ingest.Config{Waiting: hub})
	for _, duplicate := range []string{"false", "true"} {
		before := time.Now()
		got := service.post(t, valid, prefers("wait=20"))
		if got.status != http.StatusOK || !strings.Contains(got.body, `"state":"succeeded","final":true`) ||
			!strings.Contains(got.body, `"duplicate":`+duplicate) {
			t.Errorf("got %d %s", got.status, got.body)
		}
		wantHeader(t, got, "Preference-Applied", "wait=20")
		wantHeader(t, got, "Location", "/v1/payments/"+string(derived(t)))
		wantHeader(t, got, "Retry-After", "")
		if hub.until.Before(before.Add(19*time.Second)) || hub.until.After(time.Now().Add(20*time.Second)) {
			t.Errorf("waits %s", time.Until(hub.until))
		}
	}
}

func TestPost_whatIsNotFinalInTimeIsAccepted(t *testing.T) {
	for state, enough := range map[payment.State]bool{payment.Paying: false, payment.Parked: true} {
		hub := &waiting{state: state}
		got := serve(t, ingest.Config{Waiting: hub}).post(t, valid, prefers("respond-async", "wait=20"))
		if got.status != http.StatusAccepted || !strings.Contains(got.body, `"state":"queued"`) || hub.enough != enough {
			t.Errorf("%s: got %d %s, enough: %v", state, got.status, got.body, hub.enough)
		}
		wantHeader(t, got, "Preference-Applied", "wait=20")
		wantHeader(t, got, "Retry-After", "1")
	}
}

func TestPost_isAnsweredAtOnce(t *testing.T) {
	for name, test := range map[string]struct {
		hub     *waiting
		prefer  string
		applied string
		asked   int
	}{
		"without a wish":         {&waiting{}, "", "", 0},
		"with an odd one":        {&waiting{}, "wait=soon", "", 0},
		"if it wishes so":        {&waiting{}, "respond-async", "respond-async", 0},
		"if there is no place":   {&waiting{refuses: true}, "wait=5", "", 1},
		"if nobody lets it wait": {nil, "wait=5", "", 0},
	} {
		cfg := ingest.Config{}
		if test.hub != nil {
			cfg.Waiting = test.hub
		}
		got := serve(t, cfg).post(t, valid, prefers(test.prefer))
		if got.status != http.StatusAccepted || (test.hub != nil && test.hub.asked != test.asked) {
			t.Errorf("%s: got %d", name, got.status)
		}
		wantHeader(t, got, "Preference-Applied", test.applied)
	}
}

func TestPost_nobodyWaitsForWhatIsRefused(t *testing.T) {
	hub := &waiting{state: payment.Succeeded}
	service := serve(t, ingest.Config{Waiting: hub})
	got := service.post(t, `{}`, prefers("wait=5"))
	got.problem(t, http.StatusUnprocessableEntity, payment.CodeInvalid)
	wantHeader(t, got, "Preference-Applied", "")
	if hub.asked > 0 {
		t.Error("it waited")
	}
}

// queue says of each request that it is claimed in so long.
type queue time.Duration

func (q queue) ClaimIn(payment.ID, time.Time) time.Duration { return time.Duration(q) }

func TestPost_theFirstLookIsWhenTheTurnHasCome(t *testing.T) {
	service := serve(t, ingest.Config{Queue: queue(17 * time.Second)})
	wantHeader(t, service.post(t, valid), "Retry-After", "17")
	later := strings.Replace(valid, "{", `{"not_before":"2026-11-21T09:30:00Z",`, 1)
	later = strings.Replace(later, "A-1001", "A-1002", 1)
	wantHeader(t, service.post(t, later), "Retry-After", "60")
}
