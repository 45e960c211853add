package status

import (
	"context"
	"net/http"
	"time"

	"github.com/paybuf/paybuf/internal/object"
	"github.com/paybuf/paybuf/internal/problem"
	"github.com/paybuf/paybuf/payment"
)

// lookAgain are the pauses after a wake: the event is committed, and shown when the
// transactions that were under way beside it have ended.
var lookAgain = [...]time.Duration{
	5 * time.Millisecond, 20 * time.Millisecond, 80 * time.Millisecond, 320 * time.Millisecond, 1280 * time.Millisecond,
}

func (h *EventHandler) feed(w http.ResponseWriter, r *http.Request) {
	tenant, err := h.payments.auth.Authenticate(r)
	if err != nil {
		problem.Write(w, r, err)
		return
	}
	query, err := feedQueryOf(r.URL.RawQuery)
	if err == nil && query.latest {
		query.after, err = h.feedEnd(r.Context())
	}
	if err != nil {
		problem.Write(w, r, err)
		return
	}
	look := func(ctx context.Context) ([]payment.Event, error) {
		return h.reader.Feed(ctx, tenant, query.after, query.limit+1) // one more tells whether there is more
	}
	events, err := h.read(r.Context(), look)
	if err == nil && len(events) == 0 && query.wait > 0 {
		events, err = h.wait(w, r, tenant, query.wait, look)
	}
	if err != nil {
		problem.Write(w, r, err)
		return
	}
	more := len(events) > query.limit
	events = events[:min(query.limit, len(events))]
	next := query.after
	if n := len(events); n > 0 {
		next = events[n-1].Cursor()
	}
	setCaching(w.Header())
	write(w, object.FeedOf(events, next, more, h.base(r)))
}

func (h *EventHandler) feedEnd(ctx context.Context) (end payment.FeedCursor, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, h.payments.cfg.ReadTimeout, errReadSlow)
	defer cancel()
	if end, err = h.reader.FeedEnd(ctx); err != nil {
		return end, notKnown(ctx, err)
	}
	return end, nil
}

// wait looks until there is an event, or the time is over, or the server stops. It
// looks when it is woken, a few times after that, and seldom otherwise.
func (h *EventHandler) wait(
	w http.ResponseWriter, r *http.Request, tenant payment.TenantID, limit time.Duration,
	look func(context.Context) ([]payment.Event, error),
) ([]payment.Event, error) {
	leave, err := h.open.take(tenant)
	if err != nil {
		return nil, err
	}
	defer leave()
	changed, stop := h.ofTenant(tenant)
	defer stop()
	allowSilence(w, limit+h.payments.cfg.ReadTimeout+h.cfg.WriteTimeout)
	over := time.After(limit)
	for step := 0; ; { // an event of before the subscription woke nobody, and may not be shown yet
		events, err := h.read(r.Context(), look)
		if err != nil || len(events) > 0 {
			return events, err
		}
		woken, pause := changed, h.cfg.SlowCheck
		if step < len(lookAgain) {
			woken, pause = nil, lookAgain[step] // who wakes us now is heard after the last of them
			step++
		}
		select {
		case <-woken:
			step = 0
		case <-time.After(pause):
		case <-over:
			return nil, nil
		case <-h.cfg.Stopping:
			return nil, nil
		case <-r.Context().Done():
			return nil, nil // nobody is there to read an answer
		}
	}
}

func (h *EventHandler) ofTenant(tenant payment.TenantID) (changed <-chan struct{}, stop func()) {
	if h.cfg.Alarm == nil {
		return nil, func() {}
	}
	return h.cfg.Alarm.Tenant(tenant)
}

// allowSilence lets an answer come late: the server's own deadline is for requests that
// are answered at once. A writer without deadlines needs none put off.
func allowSilence(w http.ResponseWriter, limit time.Duration) {
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(limit))
}
