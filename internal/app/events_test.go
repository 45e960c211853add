package app_test

import (
	"bufio"
	"context"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/paybuf/paybuf/internal/app"
	"github.com/paybuf/paybuf/payment"
	"github.com/paybuf/paybuf/postgres"
)

// feedShown is a part of the feed as a client reads it.
type feedShown struct {
	Data []struct {
		Type    string     `json:"type"`
		Payment payment.ID `json:"payment_id"`
		Version int64      `json:"version"`
	} `json:"data"`
	NextCursor string `json:"next_cursor"`
	HasMore    bool   `json:"has_more"`
}

// events reads events, whose own data is no list as that of other answers.
func (c *caller) events(path string) (page feedShown) {
	c.t.Helper()
	request, err := http.NewRequestWithContext(c.t.Context(), http.MethodGet, c.url+path, http.NoBody)
	if err != nil {
		c.t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+c.key)
	response, err := c.http.Do(request)
	if err != nil {
		c.t.Fatal(err)
	}
	defer response.Body.Close()
	if err := json.UnmarshalRead(response.Body, &page); err != nil || response.StatusCode != http.StatusOK {
		c.t.Fatalf("%s: %d, %v", path, response.StatusCode, err)
	}
	return page
}

// feed reads the tenant's feed until it has told of n final payments.
func (c *caller) feed(n int) map[payment.ID][]string {
	c.t.Helper()
	told := map[payment.ID][]string{}
	cursor, final := "", 0
	for deadline := time.Now().Add(waitMax); final < n; {
		if time.Now().After(deadline) {
			c.t.Fatalf("only %d of %d are final: %v", final, n, told)
		}
		page := c.events("/v1/events?limit=3&wait=5" + cursor)
		for _, e := range page.Data {
			told[e.Payment] = append(told[e.Payment], e.Type)
			if e.Type == "payment.succeeded" {
				final++
			}
		}
		cursor = "&after=" + page.NextCursor
	}
	return told
}

func TestFeed_tellsATenantOfEachOfItsPaymentsOnce(t *testing.T) {
	t.Parallel()
	in := install(t)
	p := in.start()
	c, other := in.client(p, "acme"), in.client(p, "umbrella")
	due, foreign := c.acceptMany("A-", 20), other.acceptMany("B-", 5)
	for client, want := range map[*caller]map[payment.ID]int64{c: due, other: foreign} {
		told := client.feed(len(want))
		for id, types := range told {
			if _, mine := want[id]; !mine || !slices.Equal(types, []string{"payment.paying", "payment.succeeded"}) {
				t.Errorf("%s: %v", id, types)
			}
		}
	}
	list := c.get("/v1/payments?state=succeeded&limit=15")
	equal(t, "a page of the list", len(list.shown.Data), 15)
	equal(t, "that of another tenant's", len(other.get("/v1/payments").shown.Data), 5)
}

// stream opens the stream of a payment's events and gives the lines as they come.
func (c *caller) stream(ctx context.Context, id payment.ID) <-chan string {
	c.t.Helper()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, c.url+"/v1/payments/"+string(id)+"/events", http.NoBody)
	if err != nil {
		c.t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+c.key)
	request.Header.Set("Accept", "text/event-stream")
	response, err := http.DefaultTransport.RoundTrip(request)
	if err != nil {
		c.t.Fatal(err)
	}
	equal(c.t, "status of the stream", response.StatusCode, http.StatusOK)
	lines, done := make(chan string, 1000), make(chan struct{})
	go func() {
		defer close(done)
		defer close(lines)
		for scanner := bufio.NewScanner(response.Body); scanner.Scan(); {
			lines <- scanner.Text()
		}
	}()
	c.t.Cleanup(func() { _ = response.Body.Close(); <-done })
	return lines
}

func TestStream_followsAPaymentFromTheBufferToItsEnd(t *testing.T) {
	t.Parallel()
	in := install(t)
	c := in.client(in.start(app.RoleIngest, app.RoleStatus), "acme")
	id := c.accept("A-1", 100).shown.ID
	lines := c.stream(t.Context(), id)
	equal(t, "its first line", <-lines, "retry: 2000")
	in.start(app.RoleProcessor)
	var types []string
	for line := range lines { // the client's deadline is that of the test
		if kind, ok := strings.CutPrefix(line, "event: "); ok {
			types = append(types, kind)
		}
	}
	if !slices.Equal(types, []string{"payment.paying", "payment.succeeded"}) {
		t.Errorf("the stream told of %v", types)
	}
	equal(t, "events of the history", len(c.events("/v1/payments/"+string(id)+"/events").Data), 2)
	gone := c.get("/v1/payments/"+string(id)+"/events", "Accept: text/event-stream", "Last-Event-ID: 999999")
	equal(t, "after the end", gone.status, http.StatusNoContent)
}

// A stream would be waited for until requests are cut off.
func TestStop_doesNotWaitForThoseWhoListen(t *testing.T) {
	t.Parallel()
	in := install(t)
	p := in.start(app.RoleIngest, app.RoleStatus)
	c := in.client(p, "acme")
	lines := c.stream(t.Context(), c.accept("A-1", 100).shown.ID)
	answers := make(chan answer, 1)
	go func() {
		got, _ := c.try(http.MethodGet, "/v1/events?wait=15&after=latest", "") // judged below
		answers <- got
	}()
	<-lines
	p.stop()
	for range lines { // ends
	}
	got := <-answers
	if got.status != 0 && got.status != http.StatusOK { // 0: it was not there yet when the door closed
		t.Errorf("the feed answered %d %s", got.status, got.text)
	}
	if strings.Contains(in.logs.String(), "requests were cut off") {
		t.Error("the stop waited for them")
	}
}

func TestStart_refusesADatabaseWhosePlacesAreAhead(t *testing.T) {
	t.Parallel()
	in := install(t)
	in.count(`INSERT INTO events (payment_id, tenant_id, version, type, state, at, place)
		VALUES ('pay_1', 'acme', 1, 'payment.paying', 'paying', now(), 1000000000000)`)
	err := in.startError(in.options(app.RoleStatus))
	if code, detail := payment.CodeOf(err); code != payment.CodeConfig || !strings.Contains(detail, "paybuf migrate up") {
		t.Fatalf("got %v", err)
	}
	if _, err := postgres.Migrate(t.Context(), in.postgres); err != nil {
		t.Fatal(err)
	}
	in.start(app.RoleStatus)
}
