package status

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/paybuf/paybuf/internal/object"
	"github.com/paybuf/paybuf/internal/problem"
	"github.com/paybuf/paybuf/internal/query"
	"github.com/paybuf/paybuf/payment"
)

const (
	// lookBackEvents is how many of the events that were sent are read again each time:
	// that of a conflict may be committed after one with a higher sequence.
	lookBackEvents = 100
	// lookPagesMax bounds what is read of a history at once.
	lookPagesMax = 10
	// reconnectAfter is what a client is told to wait before it connects again.
	reconnectAfter = 2 * time.Second
)

var errStreamLong = errors.New("the stream lasted as long as one may")

// stream sends a payment's events as they come (server-sent events, HTML Living
// Standard, section 9.2) until the final one.
func (h *EventHandler) stream(w http.ResponseWriter, r *http.Request, tenant payment.TenantID, id payment.ID) {
	ctx, cancel := context.WithTimeoutCause(r.Context(), h.cfg.StreamTimeMax, errStreamLong)
	defer cancel()
	changed, stop := h.ofPayment(id)
	defer stop()
	found, err := h.payments.payment(ctx, tenant, id)
	if err != nil {
		problem.Write(w, r, err)
		return
	}
	after, err := streamAfter(r)
	if err != nil {
		problem.Write(w, r, err)
		return
	}
	leave, err := h.open.take(tenant)
	if err != nil {
		problem.Write(w, r, err)
		return
	}
	defer leave()
	s := &stream{writer: w, control: http.NewResponseController(w), timeout: h.cfg.WriteTimeout, base: h.base(r), from: after}
	next := func() ([]payment.Event, error) { return h.unsent(ctx, s, tenant, id) }
	events, err := next()
	switch {
	case err != nil:
		problem.Write(w, r, err)
	case found.State.Final() && !slices.ContainsFunc(events, ends) && len(events) < query.LimitMax:
		setHistoryCaching(w.Header())
		w.WriteHeader(http.StatusNoContent) // the client has the end, and does not come again
	default:
		if err := h.follow(ctx, s, events, changed, next); err != nil {
			problem.Observe(w, err)
		}
	}
}

// follow sends events, first those given, then those that come. Its error is that of
// the connection.
func (h *EventHandler) follow(
	ctx context.Context, s *stream, events []payment.Event, changed <-chan struct{}, next func() ([]payment.Event, error),
) error {
	if err := s.begin(); err != nil {
		return err
	}
	defer s.allowWrite() // for the end of the body
	check, heartbeat := time.NewTicker(h.cfg.SlowCheck), time.NewTicker(h.cfg.Heartbeat)
	defer check.Stop()
	defer heartbeat.Stop()
	for {
		if err := s.send(events); err != nil || slices.ContainsFunc(events, ends) {
			return err
		}
		events = nil
		select {
		case <-changed:
		case <-check.C:
		case <-heartbeat.C:
			if err := s.write([]byte(":\n\n")); err != nil {
				return err
			}
			continue
		case <-h.cfg.Stopping:
			return nil
		case <-ctx.Done():
			return nil // the client has gone, or comes again
		}
		if found, err := next(); err == nil { // else the stream goes on, and looks again
			events = found
		}
	}
}

func (h *EventHandler) ofPayment(id payment.ID) (changed <-chan struct{}, stop func()) {
	if h.cfg.Alarm == nil {
		return nil, func() {}
	}
	return h.cfg.Alarm.Payment(id)
}

// unsent reads the events that were not sent on this stream.
func (h *EventHandler) unsent(
	ctx context.Context, s *stream, tenant payment.TenantID, id payment.ID,
) (unsent []payment.Event, err error) {
	page := payment.EventPage{After: s.lookFrom(), Limit: query.LimitMax}
	for range lookPagesMax {
		events, err := h.read(ctx, func(ctx context.Context) ([]payment.Event, error) {
			return h.reader.Events(ctx, tenant, id, page)
		})
		if err != nil {
			return nil, err
		}
		for _, e := range events {
			if !slices.Contains(s.sent, e.Sequence) {
				unsent = append(unsent, e)
			}
		}
		if len(events) < page.Limit {
			return unsent, nil
		}
		page.After = events[len(events)-1].Sequence
	}
	return unsent, nil // the rest with the next look
}

// ends tells whether nothing follows an event but conflicts.
func ends(e payment.Event) bool { return e.State.Final() && e.Type != payment.EventConflict }

// stream is one client that listens to one payment.
type stream struct {
	writer  http.ResponseWriter
	control *http.ResponseController
	timeout time.Duration // of one write
	base    string

	from int64   // all up to it the client had before
	sent []int64 // the last sequences that were sent, the highest last
}

// lookFrom is the sequence behind which something may be that was not sent.
func (s *stream) lookFrom() int64 {
	if len(s.sent) < lookBackEvents {
		return s.from
	}
	return s.sent[0]
}

func (s *stream) begin() error {
	header := s.writer.Header()
	setHistoryCaching(header)
	header.Set("Content-Type", eventStream)
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("X-Accel-Buffering", "no") // or a proxy such as nginx keeps events back
	return s.write(fmt.Appendf(nil, "retry: %d\n\n", reconnectAfter.Milliseconds()))
}

func (s *stream) send(events []payment.Event) error {
	for _, e := range events {
		data, err := object.Encode(object.EventOf(e, s.base))
		if err != nil {
			return err
		}
		var text bytes.Buffer
		fmt.Fprintf(&text, "id: %d\nevent: %s\ndata: %s\n\n", e.Sequence, e.Type, data)
		if err := s.write(text.Bytes()); err != nil {
			return err
		}
		s.sent = append(s.sent, e.Sequence)
	}
	slices.Sort(s.sent)
	s.sent = s.sent[max(0, len(s.sent)-lookBackEvents):]
	return nil
}

// write gives the client a time of its own for each piece.
func (s *stream) write(piece []byte) error {
	s.allowWrite()
	if _, err := s.writer.Write(piece); err != nil {
		return fmt.Errorf("write to a stream: %w", err)
	}
	if err := s.control.Flush(); err != nil {
		return fmt.Errorf("flush a stream: %w", err)
	}
	return nil
}

// allowWrite begins the time that the client has for what it is sent next. Where a
// connection has no deadlines the server's own limits must do.
func (s *stream) allowWrite() { _ = s.control.SetWriteDeadline(time.Now().Add(s.timeout)) }
