package status_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/paybuf/paybuf/payment"
	"github.com/paybuf/paybuf/status"
)

type eventShown struct {
	ID       string     `json:"id"`
	Object   string     `json:"object"`
	Type     string     `json:"type"`
	Sequence int64      `json:"sequence"`
	Payment  payment.ID `json:"payment_id"`
	Data     struct {
		State     payment.State `json:"state"`
		StatusURL string        `json:"status_url"`
	} `json:"data"`
}

type feedShown struct {
	Object     string       `json:"object"`
	Data       []eventShown `json:"data"`
	NextCursor string       `json:"next_cursor"`
	HasMore    bool         `json:"has_more"`
}

func (a answer) feed(t *testing.T) feedShown {
	t.Helper()
	var got feedShown
	if err := json.Unmarshal([]byte(a.body), &got); err != nil || a.status != http.StatusOK || got.Object != "list" {
		t.Fatalf("got %d %s, want a list of events: %v", a.status, a.body, err)
	}
	return got
}

func (f feedShown) sequences() (all []int64) {
	for _, e := range f.Data {
		all = append(all, e.Sequence)
	}
	return all
}

func TestFeed_isFollowedByItsCursor(t *testing.T) {
	service := serveEvents(t, status.EventsConfig{})
	mine, foreign := request(t, "acme", "A-1"), request(t, "umbrella", "A-1")
	service.events.happen(mine, 7, payment.Paying)
	service.events.happen(foreign, 5, payment.Paying)
	service.events.happen(mine, 3, payment.Succeeded) // committed later with a lower sequence
	var seen []int64
	cursor := ""
	for page := range 3 {
		got := service.get(t, "/v1/events?limit=1"+cursor)
		shown := got.feed(t)
		seen = append(seen, shown.sequences()...)
		if shown.HasMore != (page == 0) || len(shown.Data) != min(1, 2-page) {
			t.Errorf("page %d: %s", page, got.body)
		}
		cursor = "&after=" + shown.NextCursor
		wantHeader(t, got, "Cache-Control", "private, no-cache")
	}
	if !slices.Equal(seen, []int64{7, 3}) {
		t.Errorf("saw %v", seen)
	}
	if got := service.get(t, "/v1/events?after=latest"); len(got.feed(t).Data) != 0 || got.feed(t).HasMore {
		t.Errorf("after the latest: %s", got.body)
	}
	first := service.get(t, "/v1/events").feed(t).Data[0]
	if first.Object != "event" || first.Type != "payment.paying" || first.Payment != mine.ID || first.Data.State != payment.Paying ||
		first.Data.StatusURL != service.URL+"/v1/payments/"+string(mine.ID) || !strings.HasPrefix(first.ID, "evt_") {
		t.Errorf("got %+v", first)
	}
	asHead := func(r *http.Request) { r.Method = http.MethodHead }
	if got := service.get(t, "/v1/events", asHead); got.status != http.StatusOK || got.body != "" {
		t.Errorf("got %d %q", got.status, got.body)
	}
}

func TestFeed_refusesWhatItDoesNotKnow(t *testing.T) {
	service := serveEvents(t, status.EventsConfig{})
	for query, says := range map[string]string{
		"after=x": "next_cursor of an answer, or latest", "after=": "next_cursor", "after=cur_x": "next_cursor",
		"limit=0": "1 to 1000", "limit=1001": "1 to 1000", "wait=x": "whole number of seconds; more than 50",
		"wait=-1": "whole number", "wait=1.5": "whole number", "wait=1&wait=2": "wait is given more than once",
		"type=payment.paying": `unknown parameter "type"; after, limit and wait`,
	} {
		details := service.get(t, "/v1/events?"+query).problem(t, 422, payment.CodeInvalid)
		if !strings.Contains(details.Detail, says) {
			t.Errorf("%s: %q does not say %q", query, details.Detail, says)
		}
	}
	noKey := func(r *http.Request) { r.Header.Del("Authorization") }
	service.get(t, "/v1/events", noKey).problem(t, 401, payment.CodeUnauthenticated)
	service.events.feedDown = true
	for _, query := range []string{"", "?after=latest", "?wait=1"} {
		service.get(t, "/v1/events"+query).problem(t, 503, payment.CodeUnavailable)
	}
}

// waitForFeed asks with wait, and gives the answer when it comes.
func (s *eventService) waitForFeed(t *testing.T, query string) <-chan answer {
	t.Helper()
	answers := make(chan answer, 1)
	go func() { answers <- s.get(t, "/v1/events?wait=50"+query) }()
	eventually(t, "somebody waits", func() bool { return s.events.listening("acme") == 1 })
	return answers
}

func receive(t *testing.T, answers <-chan answer) answer {
	t.Helper()
	select {
	case got := <-answers:
		return got
	case <-time.After(10 * time.Second):
		t.Fatal("there is no answer")
		return answer{}
	}
}

// The server's own deadlines are over long before.
func TestFeed_whoWaitsIsAnsweredWhenSomethingHappens(t *testing.T) {
	service := serveEvents(t, status.EventsConfig{})
	answers := service.waitForFeed(t, "")
	outlast()
	service.events.happen(request(t, "acme", "A-1"), 1, payment.Paying)
	service.events.ring("acme")
	if got := receive(t, answers).feed(t); len(got.Data) != 1 {
		t.Errorf("got %+v", got)
	}
	eventually(t, "nobody waits", func() bool { return service.events.listening("acme") == 0 })
}

func TestFeed_anEventThatIsNotShownYetIsLookedForAgain(t *testing.T) {
	service := serveEvents(t, status.EventsConfig{})
	service.events.hidden = true
	answers := service.waitForFeed(t, "")
	service.events.happen(request(t, "acme", "A-1"), 1, payment.Paying)
	service.events.ring("acme")
	before := service.events.countAsked("feed acme")
	eventually(t, "it looks again", func() bool { return service.events.countAsked("feed acme") > before+1 })
	service.events.change(func() { service.events.hidden = false })
	if got := receive(t, answers).feed(t); len(got.Data) != 1 {
		t.Errorf("got %+v", got)
	}
}

func TestFeed_withoutAWakeItLooksNowAndThen(t *testing.T) {
	service := serveEvents(t, status.EventsConfig{SlowCheck: 10 * time.Millisecond})
	answers := service.waitForFeed(t, "")
	service.events.happen(request(t, "acme", "A-1"), 1, payment.Paying)
	if got := receive(t, answers).feed(t); len(got.Data) != 1 {
		t.Errorf("got %+v", got)
	}
}

func TestFeed_nothingHappensAndTheCursorStays(t *testing.T) {
	service := serveEvents(t, status.EventsConfig{})
	cursor := payment.FeedEnd(5).String()
	got := service.get(t, "/v1/events?wait=1&after="+cursor).feed(t)
	if len(got.Data) != 0 || got.NextCursor != cursor || got.HasMore {
		t.Errorf("got %+v", got)
	}
}

func TestFeed_aServerThatStopsAnswersWhoWaits(t *testing.T) {
	service := serveEvents(t, status.EventsConfig{})
	answers := service.waitForFeed(t, "")
	close(service.stopping)
	if got := receive(t, answers).feed(t); len(got.Data) != 0 {
		t.Errorf("got %+v", got)
	}
}

func TestFeed_whoWaitIsBoundedPerTenantAndInAll(t *testing.T) {
	service := serveEvents(t, status.EventsConfig{OpenMax: 2, OpenOfTenantMax: 1})
	mine := service.waitForFeed(t, "")
	over := service.get(t, "/v1/events?wait=1")
	over.problem(t, http.StatusTooManyRequests, payment.CodeTooManyOpen)
	wantHeader(t, over, "Retry-After", "5")
	service.get(t, "/v1/events").feed(t) // without waiting there is no limit

	as := func(tenant string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+tenant) }
	}
	other := make(chan answer, 1)
	go func() { other <- service.get(t, "/v1/events?wait=50", as("umbrella")) }()
	eventually(t, "both wait", func() bool { return service.events.listening("umbrella") == 1 })
	full := service.get(t, "/v1/events?wait=1", as("third"))
	full.problem(t, http.StatusServiceUnavailable, payment.CodeUnavailable)
	wantHeader(t, full, "Retry-After", "5")

	for i, tenant := range []payment.TenantID{"acme", "umbrella"} {
		service.events.happen(request(t, tenant, fmt.Sprint("A-", i)), int64(i+1), payment.Paying)
		service.events.ring(string(tenant))
	}
	receive(t, mine).feed(t)
	receive(t, other).feed(t)
	service.get(t, "/v1/events?wait=1&after=latest").feed(t) // the place is free again
}
