package ingest

import (
	"context"
	"net/http"
	"time"

	"github.com/paybuf/paybuf/internal/prefer"
	"github.com/paybuf/paybuf/payment"
)

const (
	// pollAfter is the earliest that a client should ask for the outcome, and pollMax
	// the latest.
	pollAfter = time.Second
	pollMax   = time.Minute
)

// Waiting lets a request wait until see says that a payment is enough, until a time,
// or until ctx ends. see is called with each version that is read meanwhile, one after
// the other and not after Wait has returned. honoured is false if there was no place to
// wait.
type Waiting interface {
	Wait(ctx context.Context, tenant payment.TenantID, id payment.ID, until time.Time,
		see func(payment.Payment) (enough bool)) (honoured bool)
}

// Queue estimates when a request that waits will be claimed: between pollAfter and
// pollMax.
type Queue interface {
	ClaimIn(id payment.ID, acceptedAt time.Time) time.Duration
}

// askIn is when the client should first ask for the outcome of a request.
func (c Config) askIn(request payment.Request) time.Duration {
	wait := pollAfter
	if c.Queue != nil {
		wait = c.Queue.ClaimIn(request.ID, request.AcceptedAt)
	}
	if !request.NotBefore.IsZero() {
		wait = max(wait, min(request.NotBefore.Sub(c.Clock()), pollMax))
	}
	return wait
}

// await waits for the outcome as the client wishes (RFC 7240, section 4.3), counted
// from began on, if it does. The request is kept by now, so whatever goes wrong, the
// first answer is right.
func (h *Handler) await(
	w http.ResponseWriter, r *http.Request, request payment.Request, began time.Time,
) (outcome payment.Payment, final bool) {
	wish := prefer.Of(r.Header)
	if wish.Wait == 0 && wish.RespondAsync {
		prefer.AppliedRespondAsync(w.Header()) // which is what we do anyway
	}
	if wish.Wait == 0 || h.cfg.Waiting == nil {
		return payment.Payment{}, false
	}
	see := func(p payment.Payment) bool {
		if final = p.State.Final(); final {
			outcome = p
		}
		return final || p.State == payment.Parked // that takes a person, and longer than any wait
	}
	started := time.Now()
	honoured := h.cfg.Waiting.Wait(r.Context(), request.Tenant, request.ID, began.Add(wish.Wait), see)
	prefer.Observe(w, time.Since(started))
	if honoured {
		prefer.AppliedWait(w.Header(), wish.Wait)
	}
	return outcome, final
}
