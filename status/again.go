package status

import (
	"time"

	"github.com/paybuf/paybuf/payment"
)

const (
	// pollAfter is the earliest that a client should ask again for a payment that is not
	// final, and pollMax the latest.
	pollAfter = time.Second
	pollMax   = time.Minute
)

// Queue estimates when a request that waits will be claimed: between pollAfter and
// pollMax.
type Queue interface {
	ClaimIn(id payment.ID, acceptedAt time.Time) time.Duration
}

// askAgainIn is when there may be news of a payment that is not final. Any may be
// canceled, or taken over by a person, before its time.
func (h *Handler) askAgainIn(p *payment.Payment, now time.Time) time.Duration {
	switch p.State {
	case payment.Queued:
		if h.cfg.Queue != nil {
			return h.cfg.Queue.ClaimIn(p.ID, p.AcceptedAt)
		}
	case payment.Scheduled:
		return pollAt(p.NotBefore, now)
	case payment.Retrying, payment.Unknown, payment.Pending:
		return pollAt(p.NextAt, now)
	case payment.Parked: // whoever releases it is a person
		return pollMax
	case payment.Paying, payment.Succeeded, payment.Failed, payment.Canceled:
	}
	return pollAfter
}

func pollAt(at, now time.Time) time.Duration { return min(max(at.Sub(now), pollAfter), pollMax) }
