package main

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/paybuf/paybuf/payment"
)

// ids of payments that outcomeAPI has.
const (
	paidID   = "pay_aaaaaaaaaaaaaaaaaaaaaaaaaa"
	failedID = "pay_baaaaaaaaaaaaaaaaaaaaaaaaa"
	retryID  = "pay_caaaaaaaaaaaaaaaaaaaaaaaaa"
)

// outcomeAPI is the API as far as the commands read it. A payment goes through its
// states, one with each look at it.
type outcomeAPI struct {
	states map[string][]payment.State // by id, the states to come
	orders map[string][]string        // ids by order number
	events []string                   // of the feed

	mu    sync.Mutex
	looks map[string]int
	asked []string
}

func newOutcomeAPI(t *testing.T, api *outcomeAPI) *outcomeAPI {
	t.Helper()
	api.looks = map[string]int{}
	server := httptest.NewServer(api)
	t.Cleanup(server.Close)
	t.Setenv("PAYBUF_URL", server.URL)
	return api
}

func (a *outcomeAPI) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.asked = append(a.asked, r.URL.RequestURI())
	id, isHistory := strings.CutSuffix(strings.TrimPrefix(r.URL.Path, "/v1/payments/"), "/events")
	switch {
	case r.Header.Get("Authorization") == "Bearer pbk_wrong":
		problemOf(w, http.StatusUnauthorized, "unauthenticated", "the API key is not known")
	case r.URL.Path == "/v1/payments":
		var data []string
		for _, id := range a.orders[r.URL.Query().Get("order_number")] {
			data = append(data, a.payment(id, a.states[id][0]))
		}
		writeJSON(w, `{"object":"list","data":[%s],"next_cursor":null}`, strings.Join(data, ","))
	case r.URL.Path == "/v1/events":
		a.feed(w, r)
	case a.states[id] == nil:
		problemOf(w, http.StatusNotFound, "not_found", "there is no such payment")
	case isHistory:
		writeJSON(w, `{"object":"list","data":[%s],"has_more":false}`, strings.Join(a.history(id), ","))
	default:
		a.looks[id] = min(a.looks[id]+1, len(a.states[id]))
		if r.Header.Get("Prefer") != "" && r.Header.Get("If-None-Match") == "" {
			a.looks[id] = len(a.states[id]) // the end is what is waited for
		}
		w.Header().Set("ETag", fmt.Sprintf(`"v%d"`, a.looks[id]))
		w.Header().Set("Preference-Applied", "wait")
		writeJSON(w, "%s", a.payment(id, a.states[id][a.looks[id]-1]))
	}
}

func (a *outcomeAPI) payment(id string, state payment.State) string {
	failure, retriedBy := "null", "null"
	if state == payment.Failed {
		failure = `{"code":"insufficient_funds","message":"too little"}`
	}
	if id == failedID {
		retriedBy = `"` + retryID + `"`
	}
	return fmt.Sprintf(`{"id":%q,"object":"payment","order_number":"A-1001","amount":1999,"currency":"EUR","state":%q,
		"final":%t,"version":2,"attempts":1,"failure":%s,"retried_by":%s,"payer_reference":"ch_1",
		"accepted_at":"2026-11-21T09:00:00.000Z","updated_at":"2026-11-21T09:00:01.000Z"}`, id, state, state.Final(), failure, retriedBy)
}

// history is what has been seen of a payment, as events.
func (a *outcomeAPI) history(id string) []string {
	var events []string
	for i := 1; i < a.looks[id]; i++ {
		events = append(events, eventOf(id, i, a.states[id][i-1], a.states[id][i]))
	}
	return events
}

// feed gives two events at a time.
func (a *outcomeAPI) feed(w http.ResponseWriter, r *http.Request) {
	from, limit := 0, 2
	_, _ = fmt.Sscanf(r.URL.Query().Get("after"), "cur_%d", &from)
	_, _ = fmt.Sscanf(r.URL.Query().Get("limit"), "%d", &limit)
	if r.URL.Query().Get("after") == "bad" {
		problemOf(w, http.StatusUnprocessableEntity, "invalid_request", "after is no cursor")
		return
	}
	to := min(from+min(limit, 2), len(a.events))
	writeJSON(w, `{"object":"list","data":[%s],"next_cursor":"cur_%d","has_more":%t}`,
		strings.Join(a.events[from:to], ","), to, to < len(a.events))
}

func eventOf(id string, n int, from, to payment.State) string {
	return fmt.Sprintf(`{"id":"evt_%s_%d","object":"event","type":"payment.%s","timestamp":"2026-11-21T09:00:00.000Z",
		"sequence":%d,"payment_id":%q,"version":%d,"changes":{"state":{"from":%q,"to":%q}},
		"data":{"id":%q,"order_number":"A-1001","amount":1999,"currency":"EUR","state":%q,"final":%t}}`,
		strings.TrimPrefix(id, "pay_"), n, to, n, id, n, from, to, id, to, to.Final())
}

func writeJSON(w http.ResponseWriter, format string, args ...any) {
	_, _ = fmt.Fprintf(w, format, args...)
}

func problemOf(w http.ResponseWriter, status int, code, detail string) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(status)
	writeJSON(w, `{"status":%d,"code":%q,"detail":%q,"errors":[]}`, status, code, detail)
}

var chain = outcomeAPI{
	states: map[string][]payment.State{
		paidID:   {payment.Queued, payment.Paying, payment.Succeeded},
		failedID: {payment.Failed},
		retryID:  {payment.Paying, payment.Unknown, payment.Failed},
	},
	orders: map[string][]string{"A-1001": {failedID, retryID}},
}

func chainAPI(t *testing.T) *outcomeAPI {
	return newOutcomeAPI(t, &outcomeAPI{states: chain.states, orders: chain.orders})
}

func TestGet_showsAPaymentByItsID(t *testing.T) {
	chainAPI(t)
	printed := must(t, "get", failedID)
	for _, text := range []string{failedID, "failed", "19.99 EUR", `insufficient_funds "too little"`, retryID, "A-1001"} {
		if !strings.Contains(printed, text) {
			t.Errorf("it does not show %q:\n%s", text, printed)
		}
	}
	shown := read[foundView](t, must(t, "get", failedID, "--json"))
	if shown.ID != failedID || shown.State != payment.Failed || *shown.Amount != 1999 || shown.FailureCode != "insufficient_funds" {
		t.Errorf("got %+v", shown)
	}
	refuse(t, exitFailed, "there is no such payment", "get", "pay_daaaaaaaaaaaaaaaaaaaaaaaaa")
	refuse(t, exitUsage, "--wait must not be negative", "get", paidID, "--wait", "-1s")
}

func TestGet_showsThePaymentsOfAnOrder(t *testing.T) {
	chainAPI(t)
	if printed := must(t, "get", "A-1001"); !strings.Contains(printed, failedID) || !strings.Contains(printed, "\n"+retryID) {
		t.Errorf("got\n%s", printed)
	}
	listed := read[[]foundView](t, must(t, "get", "A-1001", "--json"))
	if len(listed) != 2 || listed[0].ID != failedID || listed[0].RetriedBy != retryID {
		t.Errorf("got %+v", listed)
	}
	refuse(t, exitFailed, "there is no payment with the order number A-1", "get", "A-1")
}

func TestGet_waitsAndTellsTheOutcomeByItsExitCode(t *testing.T) {
	chainAPI(t)
	if printed := must(t, "get", paidID, "--wait", "30s"); !strings.Contains(printed, "succeeded") {
		t.Errorf("got\n%s", printed)
	}
	got := paybuf(t, "get", "A-1001", "--wait", "30s", "--json")
	if listed := read[[]foundView](t, got.stdout); got.code != exitDiffers || listed[1].State != payment.Failed {
		t.Errorf("exit code %d and %+v", got.code, listed)
	}
	newOutcomeAPI(t, &outcomeAPI{states: map[string][]payment.State{paidID: {payment.Paying}}})
	got = paybuf(t, "get", paidID, "--wait", "200ms")
	if got.code != exitFailed || !strings.Contains(got.stdout, "paying") || !strings.Contains(got.stderr, "no outcome within 200ms") {
		t.Errorf("got %+v", got)
	}
}

func TestWatch_printsEachChangeUntilTheEnd(t *testing.T) {
	chainAPI(t)
	printed := must(t, "watch", paidID)
	for _, text := range []string{"v1   queued -> paying\n", "v2   paying -> succeeded\n", "succeeded, the payer's reference is ch_1"} {
		if strings.Count(printed, text) != 1 {
			t.Errorf("it does not say once %q:\n%s", text, printed)
		}
	}
	got := paybuf(t, "watch", "A-1001", "--json")
	lines := strings.Split(strings.TrimSpace(got.stdout), "\n")
	equal(t, "exit code", got.code, exitDiffers)
	equal(t, "lines", len(lines), 2)
	for _, line := range lines {
		if event := read[map[string]any](t, line); event["payment_id"] != retryID {
			t.Errorf("got %s", line)
		}
	}
	refuse(t, exitFailed, "there is no such payment", "watch", "pay_daaaaaaaaaaaaaaaaaaaaaaaaa")
}

func TestWatch_isInterruptedWithoutAnOutcome(t *testing.T) {
	newOutcomeAPI(t, &outcomeAPI{states: map[string][]payment.State{paidID: {payment.Queued, payment.Parked}}})
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	got := paybufUntil(ctx, "watch", paidID)
	if got.code != exitInterrupted || !strings.Contains(got.stderr, "waits for a person") {
		t.Errorf("got %+v", got)
	}
}

func feedAPI(t *testing.T) *outcomeAPI {
	api := &outcomeAPI{}
	for n := range 5 {
		api.events = append(api.events, eventOf(paidID, n, payment.Paying, payment.Unknown))
	}
	return newOutcomeAPI(t, api)
}

func TestEvents_printsTheFeedAndWhereToGoOn(t *testing.T) {
	feedAPI(t)
	got := paybuf(t, "events")
	if got.code != exitOK || strings.Count(got.stdout, "paying -> unknown  A-1001  19.99 EUR\n") != 5 || got.stderr != "to go on: --after cur_5\n" {
		t.Errorf("got %+v", got)
	}
	got = paybuf(t, "events", "--limit", "3", "--after", "cur_1")
	if got.code != exitOK || strings.Count(got.stdout, "\n") != 3 || got.stderr != "to go on: --after cur_4\n" {
		t.Errorf("got %+v", got)
	}
	type line struct {
		Cursor string         `json:"cursor"`
		Event  map[string]any `json:"event"`
	}
	got = paybuf(t, "events", "--json", "--after", "cur_4")
	if shown := read[line](t, got.stdout); shown.Cursor != "cur_5" || shown.Event["sequence"] != 4.0 || got.stderr != "" {
		t.Errorf("got %+v", got)
	}
	refuse(t, exitUsage, "after is no cursor", "events", "--after", "bad")
	refuse(t, exitUsage, "--limit must be greater than 0", "events", "--limit", "0")
	refuse(t, exitUsage, "--folow; did you mean --follow?", "events", "--folow")
}

func TestEvents_followsUntilItIsInterrupted(t *testing.T) {
	feedAPI(t)
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	got := paybufUntil(ctx, "events", "--follow", "--after", "cur_3")
	if got.code != exitInterrupted || strings.Count(got.stdout, "\n") != 2 || got.stderr != "to go on: --after cur_5\n" {
		t.Errorf("got %+v", got)
	}
}

func TestListen_forwardsUntilCtrlC(t *testing.T) {
	feedAPI(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var mu sync.Mutex
	seen := 0
	program := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		var event map[string]any
		if err := json.UnmarshalRead(r.Body, &event); err != nil || r.Header.Get("webhook-signature") == "" {
			t.Errorf("got %v, %v", event, err)
		}
		if seen++; seen == 5 {
			context.AfterFunc(r.Context(), cancel) // once this is answered
		}
		w.WriteHeader(http.StatusNoContent)
	}))
	defer program.Close()
	got := paybufUntil(ctx, "listen", "--forward-to", program.URL, "--after", "cur_0")
	if got.code != exitOK || strings.Count(got.stdout, " 204 ") < 4 || !strings.Contains(got.stdout, "signing secret  whsec_") {
		t.Errorf("got %+v", got)
	}
	refuse(t, exitUsage, "--forward-to is missing", "listen")
	refuse(t, exitUsage, "did you mean payment.failed?", "listen", "--forward-to", program.URL, "--types", "payment.faild")
}

func TestAPICommands_tellWhatIsWrongWithTheirAPI(t *testing.T) {
	chainAPI(t)
	for _, args := range [][]string{{"get", paidID}, {"watch", paidID}, {"events"}} {
		refuse(t, exitFailed, "the API key is not known; the key is given as PAYBUF_KEY", append(args, "--key", "pbk_wrong")...)
		refuse(t, exitUsage, "--url", append(args, "--url", "ftp://host")...)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		equal(t, args[0]+" that is interrupted", paybufUntil(ctx, args...).code, exitInterrupted)
	}
	var f apiFlags
	f.url = "http://host"
	err := f.explained(t.Context(), fmt.Errorf("get: %w", &payment.Error{Code: payment.CodeInternal, Detail: "ours"}))
	if err == nil || !strings.Contains(err.Error(), "ours") {
		t.Errorf("got %v", err)
	}
}

func TestAPICommands_giveUpOnAnAPIThatDoesNotAnswer(t *testing.T) {
	t.Parallel()
	got := paybuf(t, "get", paidID, "--url", "http://"+unused(t))
	if got.code != exitFailed || !strings.Contains(got.stderr, "no answer yet: ") || !strings.Contains(got.stderr, "Paybuf does not answer at http://") {
		t.Errorf("got %+v", got)
	}
}
