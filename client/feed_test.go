package client_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/paybuf/paybuf/client"
	"github.com/paybuf/paybuf/payment"
)

// eventJSON is an event of paymentID in the API's own form.
func eventJSON(sequence int64, from, to payment.State) string {
	return fmt.Sprintf(`{"id":"evt_%s_%d","object":"event","type":"payment.%s","timestamp":"2026-11-21T09:00:00.000Z",
		"sequence":%d,"payment_id":%q,"version":%d,"changes":{"state":{"from":%q,"to":%q}},
		"data":{"id":%[5]q,"object":"payment","order_number":"A-1","amount":1999,"currency":"EUR","state":%[8]q,
		"final":%t,"version":%[6]d,"status_url":"http://host/v1/payments/x","accepted_at":"2026-11-21T09:00:00.000Z",
		"customer":null,"description":null,"metadata":{"cart":"9"},"not_before":null,"retry_of":null,
		"payer_reference":null,"failure":null},"invented_later":1}`,
		strings.TrimPrefix(string(paymentID), "pay_"), sequence, to, sequence, paymentID, sequence, from, to, to.Final())
}

// pageJSON is a page of the feed.
func pageJSON(next string, hasMore bool, events ...string) string {
	return fmt.Sprintf(`{"object":"list","data":[%s],"next_cursor":%q,"has_more":%t}`,
		strings.Join(events, ","), next, hasMore)
}

func page(next string, hasMore bool, events ...string) http.HandlerFunc {
	return says(http.StatusOK, pageJSON(next, hasMore, events...))
}

// feedOf notes the queries of a feed that gives pages in turn.
func feedOf(queries *[]string, pages ...http.HandlerFunc) *client.Client {
	var calls []time.Time
	for i, next := range pages {
		pages[i] = func(w http.ResponseWriter, r *http.Request) {
			*queries = append(*queries, r.URL.RawQuery)
			next(w, r)
		}
	}
	return client.New("http://api", client.Config{HTTPClient: recorded(&calls, pages...)})
}

func TestFeed_givesEachEventWithThePlaceToGoOn(t *testing.T) {
	var queries []string
	api := feedOf(&queries,
		page("cur_b", true, eventJSON(1, "queued", payment.Paying), eventJSON(2, payment.Paying, payment.Succeeded)),
		page("cur_c", false, eventJSON(3, "queued", payment.Paying)))
	var cursors []string
	for event, err := range api.Feed(t.Context(), client.FeedOptions{After: "cur_a", Wait: -1, Limit: 2}) {
		if err != nil {
			t.Fatal(err)
		}
		cursors = append(cursors, fmt.Sprintf("%d %s", event.Sequence, event.Cursor))
	}
	if want := []string{"1 cur_a", "2 cur_b", "3 cur_c"}; !slices.Equal(cursors, want) {
		t.Errorf("got %q, want %q", cursors, want)
	}
	if want := []string{"after=cur_a&limit=2", "after=cur_b&limit=2"}; !slices.Equal(queries, want) {
		t.Errorf("asked %q, want %q", queries, want)
	}
}

func TestFeed_readsAllThatAnEventSays(t *testing.T) {
	var queries []string
	api := feedOf(&queries, page("cur_b", false, eventJSON(7, payment.Unknown, payment.Succeeded)))
	got, err := api.FeedPage(t.Context(), client.FeedOptions{Wait: -1})
	if err != nil || len(got.Events) != 1 || got.NextCursor != "cur_b" || got.HasMore {
		t.Fatalf("got %+v, %v", got, err)
	}
	event := got.Events[0]
	if event.ID != "evt_"+strings.TrimPrefix(string(paymentID), "pay_")+"_7" || event.Type != "payment.succeeded" ||
		event.PaymentID != paymentID || event.Version != 7 || event.Timestamp.IsZero() ||
		*event.Changes.State != (client.StateChange{From: payment.Unknown, To: payment.Succeeded}) {
		t.Errorf("got %+v", event)
	}
	if d := event.Data; d.ID != paymentID || d.OrderNumber != "A-1" || d.AmountMinor != 1999 || d.Currency != "EUR" ||
		d.State != payment.Succeeded || !d.Final || d.Metadata["cart"] != "9" || d.Customer != "" {
		t.Errorf("its data are %+v", d)
	}
	if string(event.JSON) != eventJSON(7, payment.Unknown, payment.Succeeded) {
		t.Errorf("its bytes are not those that came: %s", event.JSON)
	}
}

func TestFeed_readsNoFurtherThanItsMax(t *testing.T) {
	var queries []string
	api := feedOf(&queries,
		page("cur_b", true, eventJSON(1, "queued", payment.Paying), eventJSON(2, payment.Paying, payment.Succeeded)),
		page("cur_c", true, eventJSON(3, "queued", payment.Paying)))
	cursor := ""
	for event, err := range api.Feed(t.Context(), client.FeedOptions{Limit: 2, Max: 3, Wait: -1}) {
		if err != nil {
			t.Fatal(err)
		}
		cursor = event.Cursor
	}
	if want := []string{"limit=2", "after=cur_b&limit=1"}; !slices.Equal(queries, want) || cursor != "cur_c" {
		t.Errorf("asked %q, ended at %s", queries, cursor)
	}
}

func TestFeed_waitsForWhatComes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var queries []string
		api := feedOf(&queries,
			page("cur_a", false),
			holds(25*time.Second, page("cur_b", false)),
			holds(5*time.Second, page("cur_c", false, eventJSON(1, "queued", payment.Paying))))
		began := time.Now()
		for event, err := range api.Feed(t.Context(), client.FeedOptions{After: client.FeedLatest}) {
			if err != nil || event.Cursor != "cur_c" {
				t.Fatalf("got %+v, %v", event, err)
			}
			break
		}
		if took := time.Since(began); took != 30*time.Second {
			t.Errorf("took %s", took)
		}
		if want := []string{"after=latest&limit=1", "after=cur_a&limit=100&wait=25", "after=cur_b&limit=100&wait=25"}; !slices.Equal(queries, want) {
			t.Errorf("asked %q, want %q", queries, want)
		}
	})
}

func TestFeed_restsIfTheAPIDoesNotWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var queries []string
		api := feedOf(&queries, page("cur_a", false))
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		for _, err := range api.Feed(ctx, client.FeedOptions{}) {
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("got %v", err)
			}
		}
		if len(queries) < 12 || len(queries) > 40 {
			t.Errorf("asked %d times in a minute", len(queries))
		}
	})
}

func TestFeed_goesOnWhereItWasAfterAnOutage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var queries []string
		back := time.Now().Add(10 * time.Minute)
		api := feedOf(&queries,
			page("cur_b", false, eventJSON(1, "queued", payment.Paying)),
			func(w http.ResponseWriter, r *http.Request) {
				if time.Now().Before(back) {
					says(http.StatusBadGateway, ``)(w, r)
					return
				}
				if r.URL.Query().Get("after") != "cur_b" {
					t.Errorf("asked %s", r.URL)
				}
				page("cur_c", false, eventJSON(2, payment.Paying, payment.Succeeded))(w, r)
			})
		outages, seen := 0, []int64{}
		for event, err := range api.Feed(t.Context(), client.FeedOptions{}) {
			if errors.Is(err, client.ErrNoAnswer) {
				outages++
				continue
			}
			if err != nil {
				t.Fatal(err)
			}
			if seen = append(seen, event.Sequence); len(seen) == 2 {
				break
			}
		}
		if !slices.Equal(seen, []int64{1, 2}) || outages == 0 || outages > 20 {
			t.Errorf("got %v and %d errors in 10 minutes", seen, outages)
		}
	})
}

func TestFeed_endsWithARefusal(t *testing.T) {
	var queries []string
	api := feedOf(&queries, says(http.StatusUnprocessableEntity, `{"code":"invalid_request"}`))
	errs := 0
	for _, err := range api.Feed(t.Context(), client.FeedOptions{After: "cur_wrong"}) {
		problem, ok := errors.AsType[*client.Problem](err)
		if !ok || problem.Code != payment.CodeInvalid {
			t.Errorf("got %v", err)
		}
		errs++
	}
	if errs != 1 {
		t.Errorf("%d errors", errs)
	}
}

func TestFeedPage_whatIsNoPageIsNoAnswer(t *testing.T) {
	for name, body := range map[string]string{
		"a page of something else": `<html>`,
		"no cursor":                `{"object":"list","data":[],"next_cursor":null}`,
		"an event that is none":    pageJSON("cur_b", false, `{"object":"event"}`),
		"an event that is a text":  pageJSON("cur_b", false, `"evt"`),
	} {
		url := serve(t, says(http.StatusOK, body))
		_, err := client.New(url, client.Config{}).FeedPage(t.Context(), client.FeedOptions{Wait: -1})
		if !errors.Is(err, client.ErrNoAnswer) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestEvents_readsTheWholeHistory(t *testing.T) {
	var queries []string
	api := feedOf(&queries,
		says(http.StatusOK, `{"object":"list","data":[`+eventJSON(7, "queued", payment.Paying)+`],"has_more":true}`),
		says(http.StatusOK, `{"object":"list","data":[`+eventJSON(9, payment.Paying, payment.Succeeded)+`],"has_more":false}`))
	events, err := api.Events(t.Context(), paymentID)
	if err != nil || len(events) != 2 || events[1].Sequence != 9 {
		t.Fatalf("got %+v, %v", events, err)
	}
	if !slices.Equal(queries, []string{"limit=1000", "limit=1000&after=7"}) {
		t.Errorf("asked %q", queries)
	}
}

func TestEvents_ofAPaymentThatIsNotThereAreAProblem(t *testing.T) {
	url := serve(t, says(http.StatusNotFound, `{"code":"not_found"}`))
	_, err := client.New(url, client.Config{}).Events(t.Context(), paymentID)
	if problem, ok := errors.AsType[*client.Problem](err); !ok || problem.Status != http.StatusNotFound {
		t.Errorf("got %v", err)
	}
}

// history answers for a payment that goes on by a step with each look. One that is held
// back without an entity tag is of the end.
func history(states ...payment.State) http.HandlerFunc {
	looks := 0
	return func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasSuffix(r.URL.Path, "/events") {
			looks = min(looks+1, len(states))
			if r.Header.Get("Prefer") != "" && r.Header.Get("If-None-Match") == "" {
				looks = len(states)
			}
			holds(time.Second, says(http.StatusOK, paymentJSON(states[looks-1], false), fmt.Sprintf(`ETag: "v%d"`, looks)))(w, r)
			return
		}
		var events []string
		for i := 1; i < looks; i++ {
			events = append(events, eventJSON(int64(i), states[i-1], states[i]))
		}
		page("cur_x", false, events...)(w, r)
	}
}

func TestWatch_givesEachChangeOnceUntilTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var calls []time.Time
		http := recorded(&calls, history(payment.Queued, payment.Paying, payment.Unknown, payment.Succeeded))
		var steps []string
		began := time.Now()
		for event, err := range client.New("http://api", client.Config{HTTPClient: http}).Watch(t.Context(), paymentID) {
			if err != nil {
				t.Fatal(err)
			}
			if at := time.Since(began); at != time.Duration(len(steps)+2)*time.Second {
				t.Errorf("step %d came after %s", len(steps)+1, at)
			}
			steps = append(steps, string(event.Changes.State.From+" "+event.Changes.State.To))
		}
		if want := []string{"queued paying", "paying unknown", "unknown succeeded"}; !slices.Equal(steps, want) {
			t.Errorf("got %q, want %q", steps, want)
		}
	})
}

func TestWatch_endsWithTheContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var calls []time.Time
		http := recorded(&calls, history(payment.Queued, payment.Paying))
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		var last error
		for _, err := range client.New("http://api", client.Config{HTTPClient: http}).Watch(ctx, paymentID) {
			last = err
		}
		if !errors.Is(last, context.DeadlineExceeded) {
			t.Errorf("ended with %v", last)
		}
	})
}
