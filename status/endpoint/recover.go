package endpoint

import (
	"context"
	"net/http"
	"time"

	"github.com/paybuf/paybuf/internal/object"
	"github.com/paybuf/paybuf/payment"
)

func (h *Handler) recover(w http.ResponseWriter, r *http.Request) {
	h.answer(w, r, func(ctx context.Context, tenant payment.TenantID) (reply, error) {
		s, err := spanOf(r)
		if err != nil {
			return reply{}, err
		}
		if err := h.readNoBody(w, r); err != nil {
			return reply{}, err
		}
		ctx, cancel := h.bounded(ctx)
		defer cancel()
		select {
		case h.places <- struct{}{}:
			defer func() { <-h.places }()
		case <-ctx.Done():
			return reply{}, notKnown(ctx, context.Cause(ctx), "too many recoveries are under way and nothing was queued; send it again")
		}
		recovered, err := h.recoverAll(ctx, tenant, idOf(r), s)
		return reply{status: http.StatusAccepted, shown: object.RecoveryOf(recovered)}, notKnown(ctx, err, notRecovered)
	})
}

const notRecovered = "it is not known at the moment how much was queued; send it again, which queues nothing twice"

// recoverAll recovers part by part for half of the request's time, so that the answer
// gets out and says where to go on.
func (h *Handler) recoverAll(
	ctx context.Context, tenant payment.TenantID, id payment.EndpointID, s span,
) (payment.Recovery, error) {
	all := payment.Recovery{Next: s.after}
	for end := time.Now().Add(h.cfg.Timeout / 2); ; {
		part, err := h.queue.Recover(ctx, tenant, id, s.since, all.Next)
		if err != nil {
			return all, err
		}
		all.Queued += part.Queued
		all.Next, all.Complete = part.Next, part.Complete
		if all.Complete || time.Now().After(end) {
			return all, nil
		}
	}
}
