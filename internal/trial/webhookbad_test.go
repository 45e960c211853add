//go:build trial

package trial

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/paybuf/paybuf/internal/trial/hook"
)

const (
	retryAfter   = 6 * time.Second // of the consumer that is too busy: longer than what is waited anyway
	fewPayments  = 3               // that the bad consumers are sent to exhaustion
	morePayments = 100             // that the healthy one gets beside them
	healthyMax   = 10 * time.Second
)

// bad is a consumer in trouble.
type bad struct {
	*endpoint
	manner hook.Manner
}

func TestWebhooks_badConsumersHarmNobodyAndAreToldWhenMended(t *testing.T) {
	t.Parallel() // it waits for pauses most of the time
	started := time.Now()
	in := install(t, nil, []string{
		"--payer-visibility-delay", "0s", "--webhook-schedule", "0s,100ms", "--webhook-timeout", "1s", "--log-level", "error",
	})
	d := in.desk()
	healthy := d.listen(t, "healthy", finalTypes...)
	elsewhere := d.listen(t, "elsewhere", "payment.parked") // nothing is redirected here
	var consumers []bad
	for _, manner := range []hook.Manner{
		hook.Fails(http.StatusInternalServerError, 0), hook.Fails(http.StatusBadRequest, 0), hook.Fails(http.StatusGone, 0),
		hook.Hangs, hook.Drips, hook.Floods, hook.Forgets, hook.Redirects(elsewhere.URL()),
	} {
		b := bad{endpoint: d.listen(t, "bad-"+manner.Name, finalTypes...), manner: manner}
		b.Behave(1, manner)
		consumers = append(consumers, b)
	}
	busy := d.listen(t, "busy", finalTypes...)
	busy.Behave(1, hook.Fails(http.StatusTooManyRequests, retryAfter))

	d.submit(t, "few", fewPayments)
	awaitHeard(t, healthy, fewPayments)
	eventually(t, "the busy one is asked", func() bool { return len(busy.Deliveries()) > 0 })
	busy.Behave(0)
	for _, b := range consumers {
		b.wantUndelivered(t, fewPayments)
	}
	d.submit(t, "more", morePayments)
	waiting := time.Now()
	awaitHeard(t, healthy, fewPayments+morePayments)
	if took := time.Since(waiting); took > healthyMax {
		t.Errorf("the healthy consumer was told %s after the last answer", took)
	}
	for _, b := range consumers {
		b.mend(t, started)
	}
	awaitHeard(t, busy, fewPayments+morePayments)
	busy.wantPaused(t)
	for _, b := range consumers {
		eventually(t, "nothing is undelivered to the consumer that is mended of "+b.manner.Name, func() bool {
			b.recover(t, started) // what was being given up when it was asked for before
			return len(b.listed(t, "undelivered")) == 0
		})
		equal(t, "events that the consumer mended of "+b.manner.Name+" has heard of", b.Heard(), fewPayments+morePayments)
		b.wantAs(t, healthy)
		b.wantLogged(t)
	}
	equal(t, "deliveries that followed a redirect", len(elsewhere.Deliveries()), 0)
	equal(t, "repetitions at the healthy consumer", wantVerified(t, healthy.Consumer, healthy.spool).Repeats, 0)
}

// submit has payments accepted.
func (d desk) submit(t *testing.T, name string, payments int) {
	t.Helper()
	for n := range payments {
		d.call(t, http.MethodPost, "/v1/payments", map[string]any{
			"order_number": fmt.Sprintf("%s-%d", name, n), "amount": 100 + n, "currency": "EUR", "payment_method": "tok_visa",
		}, http.StatusAccepted, nil)
	}
}

func awaitHeard(t *testing.T, e *endpoint, events int) {
	t.Helper()
	eventually(t, fmt.Sprintf("%s has heard of %d events", e.spool, events), func() bool { return e.Heard() >= events })
	equal(t, "events that "+e.spool+" has heard of", e.Heard(), events)
}

// listed gives the newest events whose deliveries are in a state.
func (e *endpoint) listed(t *testing.T, state string) (events []string) {
	t.Helper()
	var page struct {
		Data []struct {
			ID string
		}
	}
	e.desk.call(t, http.MethodGet, e.path("/deliveries?limit=100&state="+state), nil, http.StatusOK, &page)
	for _, d := range page.Data {
		events = append(events, d.ID)
	}
	return events
}

// wantUndelivered waits until deliveries are given up and listed.
func (b bad) wantUndelivered(t *testing.T, events int) {
	t.Helper()
	eventually(t, fmt.Sprintf("%d deliveries to the consumer with %s are listed as undelivered", events, b.manner.Name), func() bool {
		return len(b.listed(t, "dead")) == events && len(b.listed(t, "undelivered")) == events
	})
}

// mend has the consumer behave, and its events sent again: one by one and all.
func (b bad) mend(t *testing.T, since time.Time) {
	t.Helper()
	b.Behave(0)
	if b.manner.Name == "410" {
		b.desk.call(t, http.MethodPatch, b.path(""), map[string]any{"status": "enabled"}, http.StatusOK, nil)
	}
	dead := b.listed(t, "dead")
	b.desk.call(t, http.MethodPost, b.path("/deliveries/"+dead[0]+"/redeliver"), nil, http.StatusAccepted, nil)
	if queued := b.recover(t, since); queued < len(dead)-1 {
		t.Errorf("%d deliveries to the consumer with %s are queued again, want %d at least", queued, b.manner.Name, len(dead)-1)
	}
}

// recover queues again whatever is given up since a time.
func (e *endpoint) recover(t *testing.T, since time.Time) (queued int) {
	t.Helper()
	var recovered struct{ Queued int }
	query := url.Values{"since": {since.UTC().Format(time.RFC3339)}}
	e.desk.call(t, http.MethodPost, e.path("/recover?"+query.Encode()), nil, http.StatusAccepted, &recovered)
	return recovered.Queued
}

// wantAs wants each event to have the bytes that another consumer got.
func (b bad) wantAs(t *testing.T, other *endpoint) {
	t.Helper()
	bodies := map[string][]byte{}
	for _, d := range other.Deliveries() {
		bodies[d.ID()] = d.Body
	}
	for _, d := range b.Deliveries() {
		if !bytes.Equal(bodies[d.ID()], d.Body) {
			t.Errorf("%s is delivered as %s and as %s", d.ID(), d.Body, bodies[d.ID()])
		}
	}
	if _, err := b.Judge(); err != nil {
		t.Error(err)
	}
}

// wantLogged wants the log of the event that was sent first to have its body as it
// came, and as many attempts.
func (b bad) wantLogged(t *testing.T) {
	t.Helper()
	came := b.Deliveries()
	first, requests := came[0], 0
	for _, d := range came {
		if d.ID() == first.ID() {
			requests++
		}
	}
	var shown struct {
		State    string
		Attempts int
		Body     json.RawMessage
		Log      []any `json:"attempt_log"`
	}
	b.desk.call(t, http.MethodGet, b.path("/deliveries/"+first.ID()), nil, http.StatusOK, &shown)
	if shown.State != "delivered" || !bytes.Equal(shown.Body, first.Body) {
		t.Errorf("%s is shown as %s with the body\n%s and was sent as\n%s", first.ID(), shown.State, shown.Body, first.Body)
	}
	if shown.Attempts != requests || len(shown.Log) != requests {
		t.Errorf("%s was sent %d times, and there are %d attempts, %d with details", first.ID(), requests, shown.Attempts, len(shown.Log))
	}
}

// wantPaused wants nothing to have come within the time that a consumer asked for.
func (e *endpoint) wantPaused(t *testing.T) {
	t.Helper()
	var last time.Time // of what was refused
	for _, d := range e.Deliveries() {
		switch {
		case !d.Accepted:
			last = d.At
		case d.At.Sub(last) < retryAfter:
			t.Errorf("%s was sent %s after a request to wait for %s", d.ID(), d.At.Sub(last), retryAfter)
			return
		default:
			return
		}
	}
}
