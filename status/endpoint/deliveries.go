package endpoint

import (
	"context"
	"net/http"

	"github.com/go-chi/chi/v5"

	"github.com/paybuf/paybuf/internal/object"
	"github.com/paybuf/paybuf/internal/query"
	"github.com/paybuf/paybuf/payment"
)

// eventOf reads the event's id in a path. A text that is no id becomes one that no
// event has, as with idOf.
func eventOf(r *http.Request) payment.Event {
	id, sequence, err := payment.ParseEventID(chi.URLParam(r, "event"))
	if err != nil {
		return payment.Event{}
	}
	return payment.Event{PaymentID: id, Sequence: sequence}
}

func (h *Handler) deliveries(w http.ResponseWriter, r *http.Request) {
	h.answer(w, r, func(ctx context.Context, tenant payment.TenantID) (reply, error) {
		page, err := pageOf(r)
		if err != nil {
			return reply{}, err
		}
		ctx, cancel := h.bounded(ctx)
		defer cancel()
		found, next, err := h.reader.Deliveries(ctx, tenant, idOf(r), page)
		return reply{status: http.StatusOK, shown: object.DeliveryPageOf(found, cursorBefore(next))}, notKnown(ctx, err, notRead)
	})
}

func (h *Handler) delivery(w http.ResponseWriter, r *http.Request) {
	h.answer(w, r, func(ctx context.Context, tenant payment.TenantID) (reply, error) {
		if err := query.None(r.URL.RawQuery); err != nil {
			return reply{}, err
		}
		ctx, cancel := h.bounded(ctx)
		defer cancel()
		found, attempts, err := h.reader.Delivery(ctx, tenant, idOf(r), eventOf(r))
		if err != nil {
			return reply{}, notKnown(ctx, err, notRead)
		}
		return reply{status: http.StatusOK, shown: object.DeliveryWith(found, attempts, object.Base(h.cfg.PublicURL, r))}, nil
	})
}

func (h *Handler) test(w http.ResponseWriter, r *http.Request) {
	h.enqueue(w, r, func(ctx context.Context, tenant payment.TenantID) (payment.WebhookDelivery, error) {
		return h.queue.QueueTest(ctx, tenant, idOf(r))
	})
}

func (h *Handler) redeliver(w http.ResponseWriter, r *http.Request) {
	h.enqueue(w, r, func(ctx context.Context, tenant payment.TenantID) (payment.WebhookDelivery, error) {
		return h.queue.Redeliver(ctx, tenant, idOf(r), eventOf(r))
	})
}

// enqueue answers with a delivery that was queued, and where it can be watched.
func (h *Handler) enqueue(
	w http.ResponseWriter, r *http.Request,
	queue func(ctx context.Context, tenant payment.TenantID) (payment.WebhookDelivery, error),
) {
	h.answer(w, r, func(ctx context.Context, tenant payment.TenantID) (reply, error) {
		if err := h.readNothing(w, r); err != nil {
			return reply{}, err
		}
		ctx, cancel := h.bounded(ctx)
		defer cancel()
		queued, err := queue(ctx, tenant)
		if err != nil {
			return reply{}, notKnown(ctx, err, notWritten)
		}
		return reply{http.StatusAccepted, object.DeliveryOf(queued), object.DeliveryPath(queued)}, nil
	})
}
