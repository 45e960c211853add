package status_test

import (
	"context"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/paybuf/paybuf/internal/object"
	"github.com/paybuf/paybuf/payment"
	"github.com/paybuf/paybuf/status"
)

// waiting is a hub at which one thing happens to who waits.
type waiting struct {
	then    payment.Payment // what the payment becomes; none without an id
	refuses bool

	mu     sync.Mutex
	tenant payment.TenantID
	id     payment.ID
	until  time.Time
	asked  int
	enough bool // whether then was
	left   chan struct{}
}

func (w *waiting) Wait(
	ctx context.Context, tenant payment.TenantID, id payment.ID, until time.Time, see func(payment.Payment) bool,
) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.asked++
	w.tenant, w.id, w.until = tenant, id, until
	if w.then.ID != "" {
		w.enough = see(w.then)
	}
	if w.left != nil {
		<-ctx.Done()
		close(w.left)
	}
	return !w.refuses
}

func (w *waiting) Later(
	payment.TenantID, payment.ID, time.Time, func(payment.Payment) bool, func(),
) (leave func() bool, ok bool) {
	return nil, false
}

func prefers(value string) func(*http.Request) {
	return func(r *http.Request) { r.Header.Set("Prefer", value) }
}

func knows(tag string) func(*http.Request) {
	return func(r *http.Request) { r.Header.Set("If-None-Match", tag) }
}

func TestGet_waitsForTheEnd(t *testing.T) {
	paying := in(request(t, "acme", "A-1"), payment.Paying, 1)
	hub := &waiting{then: in(paying.Request, payment.Succeeded, 2)}
	service := serve(t, status.Config{Waiting: hub})
	service.world.claim(paying)
	before := time.Now()
	got := service.get(t, object.Path(paying.ID), prefers("wait=20"))
	if shown := got.payment(t); shown.State != payment.Succeeded || shown.Version != 2 {
		t.Errorf("got %+v", shown)
	}
	wantHeader(t, got, "ETag", `"v2"`)
	wantHeader(t, got, "Preference-Applied", "wait=20")
	wantHeader(t, got, "Retry-After", "")
	if hub.tenant != "acme" || hub.id != paying.ID || !hub.enough || hub.until.Before(before.Add(20*time.Second)) ||
		hub.until.After(time.Now().Add(20*time.Second)) {
		t.Errorf("waited as %s for %s until %s: %v", hub.tenant, hub.id, hub.until, hub.enough)
	}
}

func TestGet_whatIsWorthWaitingFor(t *testing.T) {
	for name, test := range map[string]struct {
		tag    string
		then   payment.State
		enough bool
		status int
	}{
		"final":                        {"", payment.Failed, true, 200},
		"parked":                       {"", payment.Parked, true, 200},
		"no end":                       {"", payment.Unknown, false, 200},
		"another version":              {`"v1"`, payment.Unknown, true, 200},
		"the version that it has":      {`"v2"`, payment.Unknown, false, 304},
		"no entity tag, so no version": {`v2`, payment.Unknown, true, 200},
	} {
		queued := payment.Queue(request(t, "acme", "A-1"))
		hub := &waiting{then: in(queued.Request, test.then, 2)}
		service := serve(t, status.Config{Waiting: hub})
		service.world.claim(in(queued.Request, payment.Paying, 1))
		edits := []func(*http.Request){prefers("wait=5")}
		if test.tag != "" {
			edits = append(edits, knows(test.tag))
		}
		got := service.get(t, object.Path(queued.ID), edits...)
		waits := hub.asked > 0
		if waits && hub.enough != test.enough {
			t.Errorf("%s: enough is %v", name, hub.enough)
		}
		wantHeader(t, got, "Preference-Applied", "wait=5")
		if waits && got.status != test.status {
			t.Errorf("%s: got %d, want %d", name, got.status, test.status)
		}
	}
}

func TestGet_whatIsEnoughAlreadyIsAnsweredAtOnce(t *testing.T) {
	for _, state := range []payment.State{payment.Succeeded, payment.Failed, payment.Canceled, payment.Parked} {
		hub := &waiting{}
		service := serve(t, status.Config{Waiting: hub, Finals: status.NewFinals(0, nil)})
		p := in(request(t, "acme", "A-1"), state, 3)
		service.world.claim(p)
		for range 2 {
			got := service.get(t, object.Path(p.ID), prefers("wait=5"))
			if got.payment(t).State != state || hub.asked > 0 {
				t.Errorf("%s: got %s after %d waits", state, got.body, hub.asked)
			}
			wantHeader(t, got, "Preference-Applied", "wait=5")
		}
	}
}

func TestGet_whoMayNotWaitIsAnsweredAsIfItHadNotAsked(t *testing.T) {
	paying := in(request(t, "acme", "A-1"), payment.Paying, 1)
	for name, cfg := range map[string]status.Config{
		"nobody lets it":        {},
		"all places are taken":  {Waiting: &waiting{refuses: true}},
		"the preference is odd": {Waiting: &waiting{}},
	} {
		service := serve(t, cfg)
		service.world.claim(paying)
		wish := "wait=5"
		if name == "the preference is odd" {
			wish = "wait=soon"
		}
		got := service.get(t, object.Path(paying.ID), prefers(wish))
		if got.payment(t).State != payment.Paying {
			t.Errorf("%s: got %s", name, got.body)
		}
		wantHeader(t, got, "Preference-Applied", "")
		wantHeader(t, got, "Retry-After", "1")
	}
}

func TestGet_aWaitWithoutNewsAnswersWhatIsKnown(t *testing.T) {
	service := serve(t, status.Config{Waiting: &waiting{}})
	queued := service.wait(t, "A-1")
	got := service.get(t, object.Path(queued.ID), prefers("wait=5"))
	if got.payment(t).State != payment.Queued {
		t.Errorf("got %s", got.body)
	}
	wantHeader(t, got, "Preference-Applied", "wait=5")
	got = service.get(t, object.Path(queued.ID), prefers("wait=5"), knows(`"v0"`))
	if got.status != http.StatusNotModified {
		t.Errorf("got %d", got.status)
	}
	wantHeader(t, got, "Preference-Applied", "wait=5")
}

func TestGet_nobodyWaitsForWhatIsNotTheirs(t *testing.T) {
	hub := &waiting{}
	service := serve(t, status.Config{Waiting: hub})
	foreign := in(request(t, "other", "A-1"), payment.Paying, 1)
	service.world.claim(foreign)
	bodies := map[string]bool{}
	for _, path := range []string{object.Path(foreign.ID), object.Path(request(t, "acme", "A-9").ID), "/v1/payments/pay_x"} {
		got := service.get(t, path, prefers("wait=5"))
		got.problem(t, http.StatusNotFound, payment.CodeNotFound)
		wantHeader(t, got, "Preference-Applied", "")
		bodies[got.body] = true
	}
	if len(bodies) != 1 || hub.asked > 0 {
		t.Errorf("%d bodies, %d waits", len(bodies), hub.asked)
	}
}

func TestGet_aClientThatLeavesWaitsNoLonger(t *testing.T) {
	hub := &waiting{left: make(chan struct{})}
	service := serve(t, status.Config{Waiting: hub})
	paying := in(request(t, "acme", "A-1"), payment.Paying, 1)
	service.world.claim(paying)
	ctx, leave := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer leave()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, service.URL+object.Path(paying.ID), http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer acme")
	r.Header.Set("Prefer", "wait=50")
	if response, err := service.Client().Do(r); err == nil {
		_ = response.Body.Close()
		t.Errorf("answered %d", response.StatusCode)
	}
	select {
	case <-hub.left:
	case <-time.After(10 * time.Second):
		t.Error("the wait goes on")
	}
}
