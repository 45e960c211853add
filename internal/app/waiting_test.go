package app_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/paybuf/paybuf/internal/app"
	"github.com/paybuf/paybuf/internal/local/localtest"
	"github.com/paybuf/paybuf/payment"
	"github.com/paybuf/paybuf/processor/payer/simulator"
)

// announcedMax is within which a change is told that was announced: well before the
// next look without an announcement. slowMax is for one that was not, without NATS.
const (
	announcedMax = 5 * time.Second
	slowMax      = 8 * time.Second
)

// slowly makes an installation whose payer takes that long.
func slowly(t *testing.T, latency time.Duration) *installation {
	t.Helper()
	return installOn(t, localtest.Postgres(t), newPayer(t, func(o *simulator.Options) { o.Latency = latency }))
}

// timed calls with a wish to wait, and sees to it that the answer comes in time.
func timed(t *testing.T, what string, most time.Duration, call func() answer) answer {
	t.Helper()
	began := time.Now()
	got := call()
	if took := time.Since(began); took > most {
		t.Errorf("%s took %s, want at most %s", what, took, most)
	}
	return got
}

// becomes polls a payment until it is in a state.
func (c *caller) becomes(id payment.ID, state payment.State) {
	c.t.Helper()
	eventually(c.t, string(id)+" is "+string(state), func() bool {
		return c.get("/v1/payments/"+string(id)).shown.State == state
	})
}

// Who pays, who accepts and who answers are three processes.
func TestWaiting_aChangeInAnotherProcessIsToldAtOnce(t *testing.T) {
	t.Parallel()
	in := slowly(t, 700*time.Millisecond)
	in.start(app.RoleProcessor)
	door, desk := in.start(app.RoleIngest), in.start(app.RoleStatus)
	reader := in.client(desk, "acme")
	poster := newCaller(t, door.app.URL(), reader.key)
	eventually(t, "the key works", func() bool { return poster.post("not JSON").status == http.StatusBadRequest })

	id := poster.accept("A-1", 100).shown.ID
	path := "/v1/payments/" + string(id)
	got := timed(t, "until it is final", announcedMax, func() answer { return reader.get(path, "Prefer: wait=20") })
	equal(t, "state", got.shown.State, payment.Succeeded)
	equal(t, "Preference-Applied", got.header.Get("Preference-Applied"), "wait=20")

	id = poster.accept("A-2", 100).shown.ID
	path = "/v1/payments/" + string(id)
	seen, tag := payment.State(""), `"v0"`
	for seen != payment.Succeeded {
		got := timed(t, "each step", announcedMax, func() answer { return reader.get(path, "Prefer: wait=20", "If-None-Match: "+tag) })
		if got.status != http.StatusOK || got.shown.State == seen {
			t.Fatalf("after %s came %d %s", seen, got.status, got.text)
		}
		seen, tag = got.shown.State, got.header.Get("ETag")
	}
	got = timed(t, "what does not change", announcedMax, func() answer {
		return reader.get(path, "Prefer: wait=1", "If-None-Match: "+tag)
	})
	equal(t, "status", got.status, http.StatusNotModified)
	equal(t, "Preference-Applied", got.header.Get("Preference-Applied"), "wait=1")
	batch := poster.post(order("A-3", 100) + " ") // a process without a ledger cannot tell
	equal(t, "status without a wish", batch.status, http.StatusAccepted)
	lone := poster.must(poster.try(http.MethodPost, "/v1/payments", order("A-4", 100), "Content-Type: application/json", "Prefer: wait=20"))
	equal(t, "status of who cannot tell", lone.status, http.StatusAccepted)
	equal(t, "Preference-Applied of who cannot tell", lone.header.Get("Preference-Applied"), "")
}

func TestWaiting_aPostIsAnsweredWithItsOutcome(t *testing.T) {
	t.Parallel()
	in := slowly(t, 300*time.Millisecond)
	c := in.client(in.start(), "acme")
	post := func() answer {
		return c.must(c.try(http.MethodPost, "/v1/payments", order("A-1", 100), "Content-Type: application/json", "Prefer: wait=15"))
	}
	first := timed(t, "the first", announcedMax, post)
	equal(t, "status", first.status, http.StatusOK)
	equal(t, "state", first.shown.State, payment.Succeeded)
	equal(t, "duplicate", first.shown.Duplicate, false)
	equal(t, "Preference-Applied", first.header.Get("Preference-Applied"), "wait=15")
	again := timed(t, "the second", announcedMax, post)
	equal(t, "status of a repetition", again.status, http.StatusOK)
	equal(t, "duplicate", again.shown.Duplicate, true)
	in.payer.wantOnce(map[payment.ID]int64{first.shown.ID: 100})
}

func TestWaiting_withoutNATSItIsSlowerAndRight(t *testing.T) {
	t.Parallel()
	in := slowly(t, 1500*time.Millisecond)
	in.start(app.RoleProcessor)
	c := in.client(in.start(app.RoleIngest, app.RoleStatus), "acme")
	id := c.accept("A-1", 100).shown.ID
	c.becomes(id, payment.Paying)
	in.broker.stop()
	got := timed(t, "without NATS", slowMax, func() answer { return c.get("/v1/payments/"+string(id), "Prefer: wait=20") })
	equal(t, "state", got.shown.State, payment.Succeeded)
	equal(t, "Preference-Applied", got.header.Get("Preference-Applied"), "wait=20")

	in.broker.start()
	eventually(t, "payments are accepted again", func() bool { return c.post(order("A-2", 100)).status == http.StatusAccepted })
	eventually(t, "changes are heard again", func() bool {
		id = c.accept("B-"+itoa(int(time.Now().UnixNano())), 100).shown.ID
		began := time.Now()
		got := c.get("/v1/payments/"+string(id), "Prefer: wait=20")
		return got.shown.State == payment.Succeeded && time.Since(began) < announcedMax
	})
}

func TestWaiting_aSuccessorIsShownAtOnce(t *testing.T) {
	t.Parallel()
	in := install(t)
	c := in.client(in.start(), "acme")
	declined := strings.Replace(order("A-1", 100), "tok_visa", "tok_declined", 1)
	first := c.post(declined)
	c.becomes(first.shown.ID, payment.Failed)
	path := "/v1/payments/" + string(first.shown.ID)
	tag := c.get(path).header.Get("ETag")
	equal(t, "a remembered answer", c.get(path).header.Get("ETag"), tag)

	retry := strings.Replace(order("A-1", 100), "{", `{"retry_of":"`+string(first.shown.ID)+`",`, 1)
	accepted := c.post(retry)
	equal(t, "status of the retry", accepted.status, http.StatusAccepted)
	got := timed(t, "the successor", announcedMax, func() answer { return c.get(path, "Prefer: wait=20", "If-None-Match: "+tag) })
	equal(t, "retried by", got.shown.RetriedBy, accepted.shown.ID)
	equal(t, "retried by, asked again", c.get(path).shown.RetriedBy, accepted.shown.ID)
}

// A stop must not wait for those who wait.
func TestWaiting_aStopAnswersWhoWaits(t *testing.T) {
	t.Parallel()
	in := install(t)
	p := in.start()
	c := in.client(p, "acme")
	later := strings.Replace(order("A-1", 100), "{", `{"not_before":"`+time.Now().Add(time.Hour).UTC().Format(time.RFC3339)+`",`, 1)
	id := c.post(later).shown.ID
	c.becomes(id, payment.Scheduled)
	answers := make(chan answer, 1)
	go func() {
		got, err := c.try(http.MethodGet, "/v1/payments/"+string(id), "", "Prefer: wait=50")
		if err != nil {
			t.Error(err)
		}
		answers <- got
	}()
	p.awaitMetric("paybuf_waiters 1\n")
	timed(t, "the stop", announcedMax, func() answer { p.stop(); return answer{} })
	got := <-answers
	equal(t, "status", got.status, http.StatusOK)
	equal(t, "state", got.shown.State, payment.Scheduled)
}

func TestWaiting_aClientThatLeavesFreesItsPlace(t *testing.T) {
	t.Parallel()
	in := slowly(t, time.Minute) // longer than any call may take
	p := in.start()
	c := in.client(p, "acme")
	id := c.accept("A-1", 100).shown.ID
	ctx, leave := context.WithCancel(t.Context())
	defer leave()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, c.url+"/v1/payments/"+string(id), http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+c.key)
	request.Header.Set("Prefer", "wait=50")
	gone := make(chan error, 1)
	go func() {
		response, err := c.http.Do(request)
		if err == nil {
			err = response.Body.Close()
		}
		gone <- err
	}()
	p.awaitMetric("paybuf_waiters 1\n")
	leave()
	if err := <-gone; err == nil {
		t.Error("it was answered")
	}
	p.awaitMetric("paybuf_waiters 0\n")
}

// awaitMetric waits until the operator's listener shows a line.
func (p *process) awaitMetric(line string) {
	p.t.Helper()
	operator := newCaller(p.t, p.app.OperatorURL(), "")
	eventually(p.t, line, func() bool { return strings.Contains(operator.get("/metrics").text, line) })
}
