package main

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/paybuf/paybuf/client"
	"github.com/paybuf/paybuf/payment"
)

// receiver is a program that takes webhooks and keeps their bodies by their ids.
type receiver struct {
	webhook *client.Webhook

	mu     sync.Mutex
	bodies map[string]string
	final  int
	wrong  error
}

// ServeHTTP implements http.Handler.
func (r *receiver) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	event, err := r.webhook.Read(request)
	r.mu.Lock()
	defer r.mu.Unlock()
	if err != nil {
		r.wrong = err
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	if _, again := r.bodies[event.ID]; !again && event.Data.Final {
		r.final++
	}
	r.bodies[event.ID] = string(event.JSON)
	_, _ = io.WriteString(w, "ok")
}

func (r *receiver) finals() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.final
}

func TestOutcome_isTheSameInWhicheverWayItIsLearned(t *testing.T) {
	t.Parallel()
	const n, secret = 5, "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	running, info := startDev(t, devDir(t), anyPort)
	webhook, err := client.NewWebhook(secret)
	if err != nil {
		t.Fatal(err)
	}
	received := &receiver{webhook: webhook, bodies: map[string]string{}}
	program := httptest.NewServer(received)
	defer program.Close()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	listened := make(chan result, 1)
	go func() {
		listened <- paybufUntil(ctx, "listen", "--url", info.URL, "--forward-to", program.URL, "--after", "", "--secret", secret)
	}()

	must(t, "submit", orders(t, n), "--url", info.URL, "--wait", "--quiet")
	found := read[[]foundView](t, must(t, "get", "A-1", "--url", info.URL, "--wait", "30s", "--json"))
	if len(found) != 1 || found[0].State != payment.Succeeded || *found[0].Amount != 101 {
		t.Fatalf("got %+v", found)
	}
	watched := must(t, "watch", string(found[0].ID), "--url", info.URL)
	if !strings.Contains(watched, "paying -> succeeded") {
		t.Errorf("watched\n%s", watched)
	}

	eventually(t, "all outcomes are received", func() bool { return received.finals() == n })
	stop()
	if got := <-listened; got.code != exitOK || strings.Contains(got.stdout, "SKIPPED") {
		t.Errorf("listen: %+v", got)
	}
	if received.wrong != nil {
		t.Error(received.wrong)
	}
	for line := range strings.Lines(must(t, "events", "--url", info.URL, "--json")) {
		event := read[struct {
			Event jsontext.Value `json:"event"`
		}](t, line).Event
		id := read[client.Event](t, string(event)).ID
		if received.bodies[id] != string(event) {
			t.Errorf("the feed has %s\nreceived was  %s", event, received.bodies[id])
		}
	}
	equal(t, "exit code of a graceful stop", running.terminate(), exitOK)
}
