package status_test

import (
	"context"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/go-chi/chi/v5"

	"github.com/paybuf/paybuf/internal/problem"
	"github.com/paybuf/paybuf/payment"
	"github.com/paybuf/paybuf/status"
)

// eventWorld is a world in which things happen, and an alarm that tells of it.
type eventWorld struct {
	world
	events   []payment.Event
	hidden   bool // from the feed, by an older transaction
	feedDown bool
	widest   int // the most events of a payment that were asked for at once

	bells map[string][]chan struct{}
}

func (w *eventWorld) Events(
	_ context.Context, tenant payment.TenantID, id payment.ID, page payment.EventPage,
) ([]payment.Event, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.note("events")
	w.widest = max(w.widest, page.Limit)
	if w.readerDown {
		return nil, errDown
	}
	var found []payment.Event
	for _, e := range w.events {
		if e.Tenant == tenant && e.PaymentID == id && e.Sequence > page.After {
			found = append(found, e)
		}
	}
	slices.SortFunc(found, func(a, b payment.Event) int { return int(a.Sequence - b.Sequence) })
	return found[:min(len(found), page.Limit)], nil
}

func (w *eventWorld) Feed(
	_ context.Context, tenant payment.TenantID, after payment.FeedCursor, limit int,
) ([]payment.Event, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.note("feed " + string(tenant))
	if w.feedDown {
		return nil, errDown
	}
	var found []payment.Event
	for _, e := range w.events {
		if e.Tenant == tenant && !w.hidden && e.Place > after.Place {
			found = append(found, e)
		}
	}
	return found[:min(len(found), limit)], nil
}

func (w *eventWorld) FeedEnd(context.Context) (payment.FeedCursor, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.note("end")
	if w.feedDown {
		return payment.FeedCursor{}, errDown
	}
	return payment.FeedEnd(int64(len(w.events)) + 1), nil
}

// happen adds an event of a request's payment. Its place is that in events.
func (w *eventWorld) happen(request payment.Request, sequence int64, state payment.State, kind ...string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	e := payment.Event{
		Sequence: sequence, Place: int64(len(w.events)) + 1, PaymentID: request.ID, Tenant: request.Tenant,
		Version: sequence, Type: payment.EventType(state), State: state, At: request.AcceptedAt, Request: request,
	}
	if len(kind) > 0 {
		e.Type = kind[0]
	}
	w.events = append(w.events, e)
}

// change does something to the world under its lock.
func (w *eventWorld) change(do func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	do()
}

func (w *eventWorld) Payment(ctx context.Context, tenant payment.TenantID, id payment.ID) (payment.Payment, error) {
	return w.world.Payment(ctx, tenant, id)
}

// bell is the world as an Alarm.
type bell struct{ *eventWorld }

func (b bell) Payment(id payment.ID) (<-chan struct{}, func()) { return b.hang(string(id)) }

func (b bell) Tenant(tenant payment.TenantID) (<-chan struct{}, func()) {
	return b.hang(string(tenant))
}

func (b bell) hang(name string) (<-chan struct{}, func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	rung := make(chan struct{}, 1)
	b.bells[name] = append(b.bells[name], rung)
	return rung, sync.OnceFunc(func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.bells[name] = slices.DeleteFunc(b.bells[name], func(other chan struct{}) bool { return other == rung })
	})
}

// ring wakes those who wait for a payment or a tenant.
func (w *eventWorld) ring(names ...string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, name := range names {
		for _, rung := range w.bells[name] {
			select {
			case rung <- struct{}{}:
			default:
			}
		}
	}
}

// listening counts those who wait.
func (w *eventWorld) listening(name string) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.bells[name])
}

func (w *eventWorld) countAsked(question string) (n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, asked := range w.asked {
		if asked == question {
			n++
		}
	}
	return n
}

// eventService is a listening status of events.
type eventService struct {
	service
	events   *eventWorld
	stopping chan struct{}
}

// serveEvents listens with deadlines that are too short for whoever waits, unless they
// are put off. Slow checks are so rare that no test passes because of them, unless cfg
// says otherwise.
func serveEvents(t *testing.T, cfg status.EventsConfig) *eventService {
	t.Helper()
	world := &eventWorld{bells: map[string][]chan struct{}{}}
	world.waiting = map[payment.ID]payment.Request{}
	stopping := make(chan struct{})
	cfg.Alarm, cfg.Stopping = bell{world}, stopping
	if cfg.SlowCheck == 0 {
		cfg.SlowCheck = time.Hour
	}
	router := chi.NewRouter()
	router.NotFound(problem.NotFound)
	router.MethodNotAllowed(problem.MethodNotAllowed)
	payments := status.New(world, world, tokens{}, idKey(t), status.Config{})
	status.NewEvents(payments, world, cfg).Routes(router)
	server := httptest.NewUnstartedServer(router)
	server.Config.ReadTimeout, server.Config.WriteTimeout = serverDeadline, serverDeadline
	server.Start()
	t.Cleanup(server.Close)
	return &eventService{service{server, &world.world}, world, stopping}
}

const serverDeadline = 200 * time.Millisecond

// outlast lets the deadlines of the server go by that were set when a request began.
func outlast() { <-time.After(serverDeadline * 3 / 2) }

func eventually(t *testing.T, what string, done func() bool) {
	t.Helper()
	deadline := time.After(10 * time.Second)
	for !done() {
		select {
		case <-deadline:
			t.Fatalf("in vain waited until %s", what)
		case <-time.After(2 * time.Millisecond):
		}
	}
}
