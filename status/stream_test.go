package status_test

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/paybuf/paybuf/payment"
	"github.com/paybuf/paybuf/status"
)

func historyOf(id payment.ID) string { return "/v1/payments/" + string(id) + "/events" }

func TestHistory_listsAPaymentsEventsOldestFirst(t *testing.T) {
	service := serveEvents(t, status.EventsConfig{})
	request := request(t, "acme", "A-1")
	service.world.claim(in(request, payment.Succeeded, 3))
	for i, state := range []payment.State{payment.Paying, payment.Unknown, payment.Succeeded} {
		service.events.happen(request, int64(i)+1, state)
	}
	for query, want := range map[string]struct {
		sequences []int64
		more      bool
	}{
		"": {[]int64{1, 2, 3}, false}, "?limit=2": {[]int64{1, 2}, true}, "?limit=2&after=2": {[]int64{3}, false},
		"?after=0": {[]int64{1, 2, 3}, false}, "?limit=3": {[]int64{1, 2, 3}, false}, "?after=9": {nil, false},
	} {
		got := service.get(t, historyOf(request.ID)+query)
		if shown := got.feed(t); !slices.Equal(shown.sequences(), want.sequences) || shown.HasMore != want.more {
			t.Errorf("%s: got %s", query, got.body)
		}
		wantHeader(t, got, "Cache-Control", "private, no-cache")
	}
	waiting := service.wait(t, "A-2")
	if got := service.get(t, historyOf(waiting.ID)); got.body != `{"object":"list","data":[],"has_more":false}` {
		t.Errorf("of one that waits: %s", got.body)
	}
	asHead := func(r *http.Request) { r.Method = http.MethodHead; r.Header.Set("Accept", "text/event-stream") }
	if got := service.get(t, historyOf(request.ID), asHead); got.status != http.StatusOK || got.body != "" {
		t.Errorf("got %d %q", got.status, got.body)
	}
}

func asStream(r *http.Request) { r.Header.Set("Accept", "text/event-stream") }

func TestHistory_foreignAndUnknownCannotBeToldApart(t *testing.T) {
	service := serveEvents(t, status.EventsConfig{})
	foreign := request(t, "umbrella", "A-1")
	service.world.claim(in(foreign, payment.Paying, 1))
	service.events.happen(foreign, 1, payment.Paying)
	waiting := request(t, "umbrella", "A-2")
	service.world.waiting[waiting.ID] = waiting
	unknown := request(t, "acme", "A-3")
	for _, edit := range []func(*http.Request){func(*http.Request) {}, asStream} {
		var first string
		for _, id := range []payment.ID{foreign.ID, waiting.ID, unknown.ID, "pay_x", "x"} {
			for _, query := range []string{"", "?limit=0"} {
				got := service.get(t, historyOf(id)+query, edit)
				got.problem(t, 404, payment.CodeNotFound)
				if first = first + got.body; first != got.body && !strings.HasPrefix(first, got.body) {
					t.Errorf("%s: %s", id, got.body)
				}
				first = got.body
				wantAsked(t, service.world, "payment acme", "peek", "payment acme")
			}
		}
	}
	noKey := func(r *http.Request) { r.Header.Del("Authorization") }
	service.get(t, historyOf(foreign.ID), noKey).problem(t, 401, payment.CodeUnauthenticated)
}

func TestHistory_refusesWhatItDoesNotKnow(t *testing.T) {
	service := serveEvents(t, status.EventsConfig{})
	waiting := service.wait(t, "A-1")
	for query, says := range map[string]string{
		"limit=0": "1 to 1000", "after=x": "after must be the sequence", "after=-1": "after must be", "wait=1": "after and limit are known",
	} {
		if got := service.get(t, historyOf(waiting.ID)+"?"+query).problem(t, 422, payment.CodeInvalid); !strings.Contains(got.Detail, says) {
			t.Errorf("%s: %q", query, got.Detail)
		}
	}
	for _, query := range []string{"?limit=1", "?after=x"} {
		service.get(t, historyOf(waiting.ID)+query, asStream).problem(t, 422, payment.CodeInvalid)
	}
	odd := func(r *http.Request) { asStream(r); r.Header.Set("Last-Event-ID", "evt_1") }
	if got := service.get(t, historyOf(waiting.ID), odd).problem(t, 422, payment.CodeInvalid); !strings.Contains(got.Detail, "Last-Event-ID") {
		t.Errorf("got %q", got.Detail)
	}
	service.world.readerDown = true
	service.get(t, historyOf(waiting.ID)).problem(t, 503, payment.CodeUnavailable)
	service.get(t, historyOf(waiting.ID), asStream).problem(t, 503, payment.CodeUnavailable)
}

// listener reads a stream line by line.
type listener struct {
	t        *testing.T
	response *http.Response
	lines    chan string // closed at the end of the stream
}

func (s *eventService) listen(t *testing.T, id payment.ID, edits ...func(*http.Request)) *listener {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.URL+historyOf(id), http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer acme")
	request.Header.Set("Accept", "text/html, text/event-stream;q=0.9")
	for _, edit := range edits {
		edit(request)
	}
	response, err := s.Client().Do(request)
	if err != nil {
		t.Fatal(err)
	}
	l := &listener{t: t, response: response, lines: make(chan string, 1000)}
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer close(l.lines)
		for scanner := bufio.NewScanner(response.Body); scanner.Scan(); {
			l.lines <- scanner.Text()
		}
	}()
	t.Cleanup(func() { _ = response.Body.Close(); <-done })
	if response.StatusCode != http.StatusOK || response.Header.Get("Content-Type") != "text/event-stream" ||
		response.Header.Get("Cache-Control") != "private, no-cache" {
		t.Fatalf("got %d %v", response.StatusCode, response.Header)
	}
	l.want("retry: 2000", "")
	return l
}

// next gives the next line, and whether there was one.
func (l *listener) next() (string, bool) {
	l.t.Helper()
	select {
	case line, ok := <-l.lines:
		return line, ok
	case <-time.After(10 * time.Second):
		l.t.Fatal("the stream is silent")
		return "", false
	}
}

func (l *listener) want(lines ...string) {
	l.t.Helper()
	for _, want := range lines {
		if line, ok := l.next(); line != want || !ok {
			l.t.Fatalf("got %q, want %q", line, want)
		}
	}
}

func (l *listener) wantEvent(sequence int64, kind string) {
	l.t.Helper()
	l.want(fmt.Sprintf("id: %d", sequence), "event: "+kind)
	line, _ := l.next()
	var shown eventShown
	data, ok := strings.CutPrefix(line, "data: ")
	if err := json.Unmarshal([]byte(data), &shown); err != nil || !ok || shown.Sequence != sequence || shown.Type != kind {
		l.t.Fatalf("got %q: %v", line, err)
	}
	l.want("")
}

func (l *listener) wantEnd() {
	l.t.Helper()
	if line, ok := l.next(); ok {
		l.t.Fatalf("got %q, want the end", line)
	}
}

// Nobody has claimed the payment yet when the stream begins, and the server's own
// deadlines are over before it ends.
func TestStream_sendsEventsAsTheyComeUntilTheFinalOne(t *testing.T) {
	service := serveEvents(t, status.EventsConfig{})
	request := service.wait(t, "A-1")
	l := service.listen(t, request.ID)
	for i, state := range []payment.State{payment.Paying, payment.Unknown, payment.Succeeded} {
		outlast()
		service.events.happen(request, int64(i)+1, state)
		service.events.ring(string(request.ID))
		l.wantEvent(int64(i)+1, payment.EventType(state))
	}
	l.wantEnd()
	eventually(t, "nobody listens", func() bool { return service.events.listening(string(request.ID)) == 0 })
}

func TestStream_goesOnBehindTheLastEventThatTheClientHas(t *testing.T) {
	service := serveEvents(t, status.EventsConfig{})
	request := request(t, "acme", "A-1")
	for i, state := range []payment.State{payment.Paying, payment.Unknown, payment.Succeeded} {
		service.events.happen(request, int64(i)+1, state)
	}
	service.world.claim(in(request, payment.Succeeded, 3))
	last := func(id string) func(*http.Request) {
		return func(r *http.Request) { r.Header.Set("Last-Event-ID", id) }
	}
	l := service.listen(t, request.ID, last("1"))
	l.wantEvent(2, "payment.unknown")
	l.wantEvent(3, "payment.succeeded")
	l.wantEnd()
	l = service.listen(t, request.ID, func(r *http.Request) { r.URL.RawQuery = "after=2" })
	l.wantEvent(3, "payment.succeeded")
	l.wantEnd()
	for _, id := range []string{"3", "4"} {
		if got := service.get(t, historyOf(request.ID), asStream, last(id)); got.status != http.StatusNoContent {
			t.Errorf("after the end: %d %s", got.status, got.body)
		}
	}
}

// A conflict draws its sequence before an outcome and is committed after it.
func TestStream_anEventThatIsCommittedLateIsSentAllTheSame(t *testing.T) {
	service := serveEvents(t, status.EventsConfig{})
	request := request(t, "acme", "A-1")
	service.world.claim(in(request, payment.Paying, 1))
	const many = 150 // more than are read again
	for sequence := range int64(many) {
		service.events.happen(request, 2*sequence+2, payment.Retrying)
	}
	l := service.listen(t, request.ID)
	for sequence := range int64(many) {
		l.wantEvent(2*sequence+2, "payment.retrying")
	}
	service.events.happen(request, 2*many-5, payment.Retrying, payment.EventConflict)
	service.events.ring(string(request.ID))
	l.wantEvent(2*many-5, payment.EventConflict)
	service.events.happen(request, 2*many+1, payment.Succeeded, payment.EventConflict) // no end
	service.events.happen(request, 2*many+2, payment.Succeeded)
	service.events.ring(string(request.ID))
	l.wantEvent(2*many+1, payment.EventConflict)
	l.wantEvent(2*many+2, "payment.succeeded")
	l.wantEnd()
}

// A client may make a history as long as it likes, by conflicts, and open many streams
// of it at once.
func TestStream_readsALongHistoryInSmallParts(t *testing.T) {
	service := serveEvents(t, status.EventsConfig{SlowCheck: time.Hour, Heartbeat: time.Hour})
	request := request(t, "acme", "A-1")
	service.world.claim(in(request, payment.Succeeded, 1))
	const many = 1000
	for sequence := range int64(many) {
		service.events.happen(request, sequence+1, payment.Paying, payment.EventConflict)
	}
	service.events.happen(request, many+1, payment.Succeeded)
	l := service.listen(t, request.ID)
	for sequence := range int64(many) {
		l.wantEvent(sequence+1, payment.EventConflict)
	}
	l.wantEvent(many+1, "payment.succeeded")
	l.wantEnd()
	service.events.change(func() {
		if service.events.widest > 200 {
			t.Errorf("up to %d events were read at once", service.events.widest)
		}
	})
}

func TestStream_isNotSilentForLong(t *testing.T) {
	service := serveEvents(t, status.EventsConfig{Heartbeat: 20 * time.Millisecond})
	l := service.listen(t, service.wait(t, "A-1").ID)
	l.want(":", "", ":", "")
}

func TestStream_outlivesALookThatFails(t *testing.T) {
	service := serveEvents(t, status.EventsConfig{SlowCheck: 10 * time.Millisecond})
	request := service.wait(t, "A-1")
	l := service.listen(t, request.ID)
	service.events.change(func() { service.events.readerDown = true })
	before := service.events.countAsked("events")
	eventually(t, "looks fail", func() bool { return service.events.countAsked("events") > before+2 })
	service.events.change(func() { service.events.readerDown = false })
	service.events.happen(request, 1, payment.Canceled)
	l.wantEvent(1, "payment.canceled")
	l.wantEnd()
}

func TestStream_endsWhenTheServerStopsOrItsTimeIsOver(t *testing.T) {
	service := serveEvents(t, status.EventsConfig{})
	l := service.listen(t, service.wait(t, "A-1").ID)
	close(service.stopping)
	l.wantEnd()

	service = serveEvents(t, status.EventsConfig{StreamTimeMax: 50 * time.Millisecond})
	service.listen(t, service.wait(t, "A-1").ID).wantEnd()
}

func TestStream_leavesNothingBehindWhenItsClientGoes(t *testing.T) {
	service := serveEvents(t, status.EventsConfig{OpenOfTenantMax: 1})
	request := service.wait(t, "A-1")
	l := service.listen(t, request.ID)
	over := service.get(t, historyOf(request.ID), asStream)
	over.problem(t, http.StatusTooManyRequests, payment.CodeTooManyOpen)
	wantHeader(t, over, "Retry-After", "5")
	if err := l.response.Body.Close(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "nobody listens", func() bool { return service.events.listening(string(request.ID)) == 0 })
	eventually(t, "the place is free", func() bool {
		got := service.get(t, "/v1/events?wait=1&after=latest")
		return got.status == http.StatusOK
	})
}

// A client that does not read holds a goroutine for a while, not for ever.
func TestStream_endsForAClientThatDoesNotRead(t *testing.T) {
	service := serveEvents(t, status.EventsConfig{WriteTimeout: 50 * time.Millisecond})
	request := service.wait(t, "A-1")
	request.Description = strings.Repeat("x", 50_000)
	for sequence := range int64(900) { // more than fits into the buffers on the way
		service.events.happen(request, sequence+1, payment.Retrying)
	}
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", service.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_, err = fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer acme\r\nAccept: text/event-stream\r\n\r\n", historyOf(request.ID))
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "somebody listens", func() bool { return service.events.countAsked("events") > 0 })
	eventually(t, "nobody does", func() bool { return service.events.listening(string(request.ID)) == 0 })
}
