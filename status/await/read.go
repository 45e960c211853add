package await

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/paybuf/paybuf/payment"
)

const (
	// batchMax is how many payments one statement reads.
	batchMax = 256
	// gatherTime is how long a statement waits for more that wakes.
	gatherTime = 2 * time.Millisecond
	// failedPause is between two statements of which the first failed.
	failedPause = time.Second
)

var errReadSlow = errors.New("the payments that changed were not read in time")

// readLoop reads what woke until ctx ends. While that fails everybody waits on,
// until their time is over.
func (h *Hub) readLoop(ctx context.Context) {
	failed := false
	for {
		select {
		case <-ctx.Done():
			return
		case <-h.wake:
		}
		rest(ctx, gatherTime)
		for ids := h.take(); len(ids) > 0 && ctx.Err() == nil; ids = h.take() {
			err := h.read(ctx, ids)
			switch {
			case err != nil && !failed && ctx.Err() == nil:
				h.cfg.Logger.Warn("payments that somebody waits for cannot be read; trying on", slog.Any("error", err))
			case err == nil && failed:
				h.cfg.Logger.Info("payments that somebody waits for are read again")
			}
			if failed = err != nil; failed {
				rest(ctx, failedPause)
			}
		}
	}
}

func rest(ctx context.Context, pause time.Duration) {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// take gives up to a batch of what woke and is still waited for. What changes from
// here on wakes again.
func (h *Hub) take() []payment.ID {
	h.mu.Lock()
	defer h.mu.Unlock()
	var ids []payment.ID
	at := 0
	for ; at < len(h.woken) && len(ids) < batchMax; at++ {
		if w := h.woken[at]; w.woken {
			w.woken = false
			ids = append(ids, w.id)
		}
	}
	if h.woken = h.woken[at:]; len(h.woken) == 0 {
		h.woken = nil // so that what was taken can be freed
	}
	return ids
}

func (h *Hub) read(ctx context.Context, ids []payment.ID) error {
	ctx, cancel := context.WithTimeoutCause(ctx, h.cfg.ReadTimeout, errReadSlow)
	defer cancel()
	h.statements.Add(1)
	found, err := h.reader.PaymentsByID(ctx, ids)
	h.mu.Lock()
	defer h.unlock()
	if err != nil {
		for _, id := range ids {
			h.wakeUp(h.watches[id])
		}
		return err
	}
	for i := range found {
		h.show(found[i])
	}
	return nil
}

// show gives a payment to those of its tenant who wait for it.
func (h *Hub) show(p payment.Payment) {
	w := h.watches[p.ID]
	if w == nil {
		return
	}
	w.version = p.Version
	for i := len(w.seats) - 1; i >= 0; i-- { // finish puts the last in the place of one
		s := w.seats[i]
		if s.tenant != p.Tenant {
			continue
		}
		if s.see(p) {
			h.given.Add(1)
			h.finish(s)
		}
	}
}
