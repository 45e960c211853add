package app_test

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/paybuf/paybuf/client"
	"github.com/paybuf/paybuf/payment"
)

// counting counts the requests that go through it.
type counting struct {
	next     http.RoundTripper
	requests atomic.Int64
}

// RoundTrip implements http.RoundTripper.
func (c *counting) RoundTrip(r *http.Request) (*http.Response, error) {
	c.requests.Add(1)
	return c.next.RoundTrip(r)
}

func TestClient_waitsForOutcomesAndFollowsThem(t *testing.T) {
	t.Parallel()
	const n = 5
	in := install(t)
	c := in.client(in.start(), "acme")
	transport := &counting{next: c.http.Transport}
	api := client.New(c.url, client.Config{Key: c.key, HTTPClient: &http.Client{Transport: transport}})
	ctx, cancel := context.WithTimeout(t.Context(), waitMax)
	defer cancel()
	before, err := api.FeedPage(ctx, client.FeedOptions{After: client.FeedLatest, Wait: -1})
	if err != nil {
		t.Fatal(err)
	}

	paid := map[payment.ID]bool{}
	for i := range n {
		asked := transport.requests.Load()
		ended, err := api.SubmitAndWait(ctx, client.Order{
			OrderNumber: fmt.Sprintf("A-%d", i), AmountMinor: 100, Currency: "EUR", PaymentMethod: "tok_visa",
		})
		if err != nil || ended.State != payment.Succeeded {
			t.Fatalf("got %+v, %v", ended, err)
		}
		if asked = transport.requests.Load() - asked; asked > 3 { // the POST, and a look at what is slow
			t.Errorf("%d requests for one outcome", asked)
		}
		paid[ended.ID] = true
	}

	followed := map[payment.ID]bool{}
	bytes := map[string]string{}
	for event, err := range api.Feed(ctx, client.FeedOptions{After: before.NextCursor, Limit: 3}) {
		if err != nil {
			t.Fatal(err)
		}
		bytes[event.ID] = string(event.JSON)
		if event.Data.Final {
			followed[event.PaymentID] = true
		}
		if len(followed) == n {
			break
		}
	}
	if !maps.Equal(followed, paid) {
		t.Errorf("the feed has %v, paid are %v", followed, paid)
	}
	for id := range paid {
		watched := 0
		for event, err := range api.Watch(ctx, id) {
			if err != nil {
				t.Fatal(err)
			}
			if watched++; string(event.JSON) != bytes[event.ID] {
				t.Errorf("the history has %s\nand the feed  %s", event.JSON, bytes[event.ID])
			}
		}
		if watched < 2 {
			t.Errorf("%d events of %s", watched, id)
		}
	}
	all := 0
	for listed, err := range api.Payments(ctx, client.ListOptions{State: payment.Succeeded, CreatedAfter: time.Now().Add(-time.Hour), Limit: 2}) {
		if err != nil || !paid[listed.ID] {
			t.Fatalf("listed %+v, %v", listed, err)
		}
		all++
	}
	equal(t, "listed", all, n)
}
