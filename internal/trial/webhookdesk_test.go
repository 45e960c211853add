//go:build trial

package trial

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/paybuf/paybuf/internal/local/localtest"
	"github.com/paybuf/paybuf/internal/trial/hook"
	"github.com/paybuf/paybuf/payment"
)

// finalTypes are the events after which nothing changes.
var finalTypes = []string{"payment.succeeded", "payment.failed", "payment.canceled"}

const (
	endpointsPath = "/v1/webhook-endpoints"
	deskTimeout   = 30 * time.Second
	deskBytesMax  = 16 << 20
)

// desk is a tenant's own way to its webhooks and its feed.
type desk struct {
	url string
	key string // "" for dev, on loopback
	dir string // where spools go
}

// call asks for what must be answered with a status.
func (d desk) call(t *testing.T, method, path string, body any, want int, into any) {
	t.Helper()
	status, text, err := d.try(t.Context(), method, path, body)
	if err != nil {
		t.Fatalf("%s %s: %v", method, path, err)
	}
	if status != want {
		t.Fatalf("%s %s is answered %d, want %d: %s", method, path, status, want, text)
	}
	if into == nil {
		return
	}
	if err := json.Unmarshal(text, into); err != nil {
		t.Fatalf("%s %s is answered %s: %v", method, path, text, err)
	}
}

func (d desk) try(ctx context.Context, method, path string, body any) (status int, text []byte, err error) {
	ctx, cancel := context.WithTimeout(ctx, deskTimeout)
	defer cancel()
	var sent io.Reader
	if body != nil {
		encoded, err := json.Marshal(body)
		if err != nil {
			return 0, nil, err
		}
		sent = bytes.NewReader(encoded)
	}
	request, err := http.NewRequestWithContext(ctx, method, d.url+path, sent)
	if err != nil {
		return 0, nil, err
	}
	if body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	if d.key != "" {
		request.Header.Set("Authorization", "Bearer "+d.key)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, nil, err
	}
	text, err = io.ReadAll(io.LimitReader(response.Body, deskBytesMax))
	return response.StatusCode, text, errors.Join(err, response.Body.Close())
}

// endpoint is one, and the consumer behind it.
type endpoint struct {
	*hook.Consumer
	desk  desk
	id    string
	spool string
}

// listen makes an endpoint with a consumer of its own that is told its secret: all
// types of events if none is named.
func (d desk) listen(t *testing.T, name string, types ...string) *endpoint {
	t.Helper()
	e := &endpoint{desk: d, spool: filepath.Join(d.dir, name+".spool.ndjson")}
	var err error
	if e.Consumer, err = hook.Start(hook.Config{Spool: e.spool}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
	wish := map[string]any{"url": e.URL(), "description": name}
	if len(types) > 0 {
		wish["event_types"] = types
	}
	var made struct{ ID, Secret string }
	d.call(t, http.MethodPost, endpointsPath, wish, http.StatusCreated, &made)
	e.id = made.ID
	e.trust(t, made.Secret)
	return e
}

func (e *endpoint) trust(t *testing.T, secret string) {
	t.Helper()
	if err := e.Trust(secret); err != nil {
		t.Fatal(err)
	}
}

func (e *endpoint) path(more string) string { return endpointsPath + "/" + e.id + more }

// rotate gives the endpoint another secret, which the consumer knows before.
func (e *endpoint) rotate(t *testing.T, overlap time.Duration) (secret string) {
	t.Helper()
	random := make([]byte, 32)
	_, _ = rand.Read(random)
	secret = "whsec_" + base64.StdEncoding.EncodeToString(random)
	e.trust(t, secret)
	e.desk.call(t, http.MethodPost, e.path("/rotate-secret"),
		map[string]any{"secret": secret, "overlap_seconds": int(overlap.Seconds())}, http.StatusOK, nil)
	return secret
}

// awaitFinals waits until a consumer was told all that is due, and wants all of it to
// have come in line.
func (e *endpoint) awaitFinals(t *testing.T, due map[payment.ID]payment.State) {
	t.Helper()
	eventually(t, fmt.Sprintf("the final states of %d payments are delivered", len(due)), func() bool {
		return len(e.Lacks(due)) == 0
	})
}

// wantEvents wants a consumer to have accepted each event, and no other.
func (e *endpoint) wantEvents(t *testing.T, due []string) {
	t.Helper()
	eventually(t, fmt.Sprintf("all of %d events are delivered", len(due)), func() bool { return e.Heard() >= len(due) })
	wantSame(t, "what was delivered to "+e.id, slices.Sorted(maps.Keys(e.Times())), due)
}

// wantSame compares sorted lists of events.
func wantSame(t *testing.T, what string, got, want []string) {
	t.Helper()
	const most = 5
	lacks := func(what string, list, other []string) {
		n := 0
		for _, id := range list {
			if _, found := slices.BinarySearch(other, id); found {
				continue
			}
			if n++; n <= most {
				t.Errorf("%s: %s", what, id)
			}
		}
		if n > most {
			t.Errorf("%s: %d in all", what, n)
		}
	}
	lacks(what+" lacks", want, got)
	lacks(what+" has, and there is no such event", got, want)
}

// eventsOf reads the ids of a tenant's events from the table, sorted.
func eventsOf(t *testing.T, postgres, tenant string) []string {
	t.Helper()
	ids := localtest.Query(t, postgres, fmt.Sprintf(
		`SELECT 'evt_' || substr(payment_id, 5) || '_' || sequence FROM events WHERE tenant_id = '%s'`, tenant))
	slices.Sort(ids)
	return ids
}

// follower reads a tenant's feed from its beginning on, as a client does that never
// wants to miss anything.
type follower struct {
	desk desk
	stop func()

	mu     sync.Mutex
	times  map[string]int
	bodies map[string][]byte
	cursor string
	fault  error
}

// feedWait is how long the desk may hold a question, in seconds.
const feedWait = "2"

// follow begins to read the feed. That the desk is away is no fault.
func (d desk) follow(t *testing.T) *follower {
	t.Helper()
	f := &follower{desk: d, times: map[string]int{}, bodies: map[string][]byte{}}
	ctx, cancel := context.WithCancel(t.Context())
	var reading sync.WaitGroup
	reading.Go(func() {
		for ctx.Err() == nil {
			if !f.read(ctx) {
				select {
				case <-ctx.Done():
				case <-time.After(100 * time.Millisecond):
				}
			}
		}
	})
	f.stop = sync.OnceFunc(func() { cancel(); reading.Wait() })
	t.Cleanup(f.stop)
	return f
}

// read asks for a page, and tells whether there was an answer.
func (f *follower) read(ctx context.Context) bool {
	query := url.Values{"limit": {"100"}, "wait": {feedWait}}
	if f.cursor != "" {
		query.Set("after", f.cursor)
	}
	status, text, err := f.desk.try(ctx, http.MethodGet, "/v1/events?"+query.Encode(), nil)
	if err != nil || status == http.StatusServiceUnavailable {
		return false
	}
	var page struct {
		Data       []json.RawMessage
		NextCursor string `json:"next_cursor"`
	}
	err = json.Unmarshal(text, &page)
	f.mu.Lock()
	defer f.mu.Unlock()
	if status != http.StatusOK || err != nil || page.NextCursor == "" {
		f.fault = fmt.Errorf("the feed is answered %d %s: %w", status, text, err)
		return false
	}
	for _, shown := range page.Data {
		var e hook.Event
		if err := json.Unmarshal(shown, &e); err != nil {
			f.fault = fmt.Errorf("the feed has %s: %w", shown, err)
			return false
		}
		f.times[e.ID]++
		f.bodies[e.ID] = shown
	}
	f.cursor = page.NextCursor
	return true
}

// wantBodies wants the feed to have shown each event as it was delivered, byte by byte.
func (f *follower) wantBodies(t *testing.T, e *endpoint) {
	t.Helper()
	for _, d := range e.Deliveries() {
		if shown := f.bodies[d.ID()]; !bytes.Equal(shown, d.Body) {
			t.Fatalf("%s is shown as\n%s and delivered as\n%s", d.ID(), shown, d.Body)
		}
	}
}

// wantEach wants the feed to have shown each event once, and no other.
func (f *follower) wantEach(t *testing.T, due []string) {
	t.Helper()
	seen := func() map[string]int {
		f.mu.Lock()
		defer f.mu.Unlock()
		if f.fault != nil {
			t.Fatal(f.fault)
		}
		return maps.Clone(f.times)
	}
	eventually(t, fmt.Sprintf("the feed shows all of %d events", len(due)), func() bool { return len(seen()) >= len(due) })
	f.stop()
	times := seen()
	wantSame(t, "the feed", slices.Sorted(maps.Keys(times)), due)
	for id, n := range times {
		if n != 1 {
			t.Errorf("the feed shows %s %d times", id, n)
		}
	}
}
