package status

import (
	"cmp"
	"context"
	"net/http"
	"time"

	"github.com/go-chi/chi/v5"

	"github.com/paybuf/paybuf/internal/object"
	"github.com/paybuf/paybuf/internal/problem"
	"github.com/paybuf/paybuf/payment"
)

// EventReader knows what has happened to payments.
type EventReader interface {
	// Events reads a payment's events in the order of their sequence: none of a payment
	// that is another tenant's.
	Events(ctx context.Context, tenant payment.TenantID, id payment.ID, page payment.EventPage) ([]payment.Event, error)
	// Feed reads a tenant's events behind a cursor. Nothing ever appears before what it
	// has given once.
	Feed(ctx context.Context, tenant payment.TenantID, after payment.FeedCursor, limit int) ([]payment.Event, error)
	// FeedEnd is behind all that Feed would give now.
	FeedEnd(ctx context.Context) (payment.FeedCursor, error)
}

// Alarm wakes those who wait for news. It is a hint: it may come twice, or never.
type Alarm interface {
	// Payment gives a channel that receives after each announced change of the payment
	// (capacity 1, never blocks the sender), and what ends the subscription.
	Payment(id payment.ID) (changed <-chan struct{}, stop func())
	// Tenant does so for any payment of the tenant.
	Tenant(tenant payment.TenantID) (changed <-chan struct{}, stop func())
}

// EventsConfig has a working zero value.
type EventsConfig struct {
	// Alarm wakes those who wait. Without one they look each SlowCheck.
	Alarm Alarm
	// Stopping ends all streams and waits when it is closed, so that a server which
	// stops has no one to wait for. Nil for never.
	Stopping <-chan struct{}
	// OpenMax and OpenOfTenantMax limit the streams and waiting requests that are open
	// at once; 2,000 and 500 if 0.
	OpenMax, OpenOfTenantMax int
	// SlowCheck is how often those who wait look without having been woken; 5 s if 0.
	SlowCheck time.Duration
	// Heartbeat is the longest silence of a stream; 15 s if 0.
	Heartbeat time.Duration
	// WriteTimeout is how long a client may take to read what it is sent; 10 s if 0.
	WriteTimeout time.Duration
	// StreamTimeMax is how long a stream may last; 15 min if 0.
	StreamTimeMax time.Duration
}

const (
	openMaxDefault         = 2000
	openOfTenantMaxDefault = 500
	slowCheckDefault       = 5 * time.Second
	heartbeatDefault       = 15 * time.Second
	writeTimeoutDefault    = 10 * time.Second
	// streamTimeMaxDefault bounds how long a key that was revoked goes on reading.
	streamTimeMaxDefault = 15 * time.Minute
)

func (c EventsConfig) withDefaults() EventsConfig {
	c.OpenMax = cmp.Or(c.OpenMax, openMaxDefault)
	c.OpenOfTenantMax = cmp.Or(c.OpenOfTenantMax, openOfTenantMaxDefault)
	c.SlowCheck = cmp.Or(c.SlowCheck, slowCheckDefault)
	c.Heartbeat = cmp.Or(c.Heartbeat, heartbeatDefault)
	c.WriteTimeout = cmp.Or(c.WriteTimeout, writeTimeoutDefault)
	c.StreamTimeMax = cmp.Or(c.StreamTimeMax, streamTimeMaxDefault)
	return c
}

// EventHandler answers GET and HEAD of /v1/payments/{id}/events and /v1/events.
type EventHandler struct {
	payments *Handler
	reader   EventReader
	open     *places
	cfg      EventsConfig
}

// NewEvents makes a handler; payments finds the payments that events are asked of.
func NewEvents(payments *Handler, reader EventReader, cfg EventsConfig) *EventHandler {
	cfg = cfg.withDefaults()
	return &EventHandler{
		payments: payments, reader: reader, cfg: cfg,
		open: &places{max: cfg.OpenMax, ofTenantMax: cfg.OpenOfTenantMax, ofTenant: map[payment.TenantID]int{}},
	}
}

// Routes adds the handler's routes.
func (h *EventHandler) Routes(r chi.Router) {
	r.Get(object.EventsItemPattern, h.history)
	r.Head(object.EventsItemPattern, h.history)
	r.Get(object.FeedPath, h.feed)
	r.Head(object.FeedPath, h.feed)
}

func (h *EventHandler) history(w http.ResponseWriter, r *http.Request) {
	tenant, err := h.payments.auth.Authenticate(r)
	if err != nil {
		problem.Write(w, r, err)
		return
	}
	id := object.IDOf(r, h.payments.key, tenant)
	if r.Method != http.MethodHead && wantsStream(r.Header) {
		h.stream(w, r, tenant, id)
		return
	}
	// The payment first: of one that is not there no parameter is judged, so that a
	// wrong one tells nothing.
	if _, err := h.payments.payment(r.Context(), tenant, id); err != nil {
		problem.Write(w, r, err)
		return
	}
	page, err := eventPageOf(r.URL.RawQuery)
	if err != nil {
		problem.Write(w, r, err)
		return
	}
	wanted := page.Limit
	page.Limit++ // one more tells whether there is more
	events, err := h.read(r.Context(), func(ctx context.Context) ([]payment.Event, error) {
		return h.reader.Events(ctx, tenant, id, page)
	})
	if err != nil {
		problem.Write(w, r, err)
		return
	}
	setHistoryCaching(w.Header())
	shown := events[:min(wanted, len(events))]
	write(w, object.EventsOf(shown, len(events) > wanted, h.base(r)))
}

// read bounds one look-up. What it gives of a failure is for the client.
func (h *EventHandler) read(
	ctx context.Context, look func(context.Context) ([]payment.Event, error),
) ([]payment.Event, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, h.payments.cfg.ReadTimeout, errReadSlow)
	defer cancel()
	events, err := look(ctx)
	if err != nil {
		return nil, notKnown(ctx, err)
	}
	return events, nil
}

func (h *EventHandler) base(r *http.Request) string { return object.Base(h.payments.cfg.PublicURL, r) }

// setHistoryCaching tells that what is answered depends on the form asked for, too.
func setHistoryCaching(header http.Header) {
	setCaching(header)
	header.Add("Vary", "Accept")
}
