package status

import (
	"context"
	"net/http"
	"time"

	"github.com/paybuf/paybuf/internal/object"
	"github.com/paybuf/paybuf/internal/prefer"
	"github.com/paybuf/paybuf/payment"
)

// Waiting lets a request wait until a payment is enough, until a time, or until ctx
// ends, and gives the last that it has read: without an ID if it has read none.
// honoured is false if there was no place to wait.
type Waiting interface {
	Wait(ctx context.Context, tenant payment.TenantID, id payment.ID, until time.Time,
		enough func(payment.Payment) bool) (last payment.Payment, honoured bool)
}

// await waits as the client wishes (RFC 7240, section 4.3), if it does, and gives the
// payment as it is then. With If-None-Match the client knows a version and waits for
// another; without, it waits for the end. A parked payment is as good as one: a person
// has to see to it, which takes longer than any wait.
func (h *Handler) await(w http.ResponseWriter, r *http.Request, found payment.Payment, began time.Time) payment.Payment {
	wish := prefer.Of(r.Header).Wait
	if wish == 0 || h.cfg.Waiting == nil {
		return found
	}
	tags := r.Header["If-None-Match"]
	enough := func(p payment.Payment) bool {
		if tags == nil {
			return p.State.Final() || p.State == payment.Parked
		}
		return !noneMatch(tags, object.ETag(p))
	}
	if !enough(found) {
		started := time.Now()
		last, honoured := h.cfg.Waiting.Wait(r.Context(), found.Tenant, found.ID, began.Add(wish), enough)
		prefer.Observe(w, time.Since(started))
		if !honoured {
			return found
		}
		if last.ID != "" {
			found = last
		}
	}
	prefer.AppliedWait(w.Header(), wish)
	return found
}
