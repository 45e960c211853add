package submit

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/paybuf/paybuf/client"
	"github.com/paybuf/paybuf/payment"
)

const (
	// lookAheadMin is how many payments in a row may turn out unfinished before a
	// pass ends: what was accepted later will hardly be further.
	lookAheadMin = 256

	pauseUsual = 500 * time.Millisecond
	pauseMax   = 5 * time.Second
)

// waiter reads payments until they have ended.
type waiter struct {
	api         *client.Client
	concurrency int
	meter       *meter

	mu    sync.Mutex
	ended Settlement
	pause time.Duration // the shortest that the API asked for in this pass; 0 if none
}

// wait polls until all payments have ended or the context has. Whatever the order
// in which they end, all that have are found: a pass that finds none makes the
// next one look twice as far. For the last few there are connections enough to let
// the API say when each has ended.
func (w *waiter) wait(ctx context.Context, ids []payment.ID) Settlement {
	began := time.Now()
	w.ended.Payments = int64(len(ids))
	w.ended.SucceededMinor = make(map[string]int64)
	lookAhead := lookAheadMin
	for len(ids) > w.concurrency && ctx.Err() == nil {
		left := w.pass(ctx, ids, lookAhead)
		if len(left) < len(ids) {
			lookAhead = lookAheadMin
		} else {
			lookAhead = min(2*lookAhead, max(lookAheadMin, len(ids)))
		}
		if ids = left; len(ids) > w.concurrency {
			w.rest(ctx)
		}
	}
	ids = w.each(ctx, ids)
	w.ended.Unsettled = int64(len(ids))
	if len(ids) == 0 {
		w.ended.LastError = ""
	}
	w.ended.Duration = time.Since(began)
	return w.ended
}

// pass reads payments, the oldest first, and gives those that have not ended. It
// uses the space of ids.
func (w *waiter) pass(ctx context.Context, ids []payment.ID, lookAhead int) []payment.ID {
	const ended = payment.ID("")
	var cursor, unfinished atomic.Int64
	var pollers sync.WaitGroup
	for range min(w.concurrency, len(ids)) {
		pollers.Go(func() {
			for ctx.Err() == nil && unfinished.Load() < int64(lookAhead) {
				i := int(cursor.Add(1)) - 1
				if i >= len(ids) {
					return
				}
				if !w.poll(ctx, ids[i]) {
					unfinished.Add(1)
					continue
				}
				ids[i] = ended
				unfinished.Store(0)
				w.meter.advance(1)
			}
		})
	}
	pollers.Wait()
	return slices.DeleteFunc(ids, func(id payment.ID) bool { return id == ended })
}

// each waits for every payment at the same time, and gives those that have not ended.
func (w *waiter) each(ctx context.Context, ids []payment.ID) []payment.ID {
	left := make([]payment.ID, len(ids))
	var waiting sync.WaitGroup
	for i, id := range ids {
		waiting.Go(func() {
			for ctx.Err() == nil {
				found, err := w.api.Wait(ctx, id)
				if w.note(ctx, found, err) {
					w.meter.advance(1)
					return
				}
				sleep(ctx, pauseUsual) // it could not be asked
			}
			left[i] = id
		})
	}
	waiting.Wait()
	return slices.DeleteFunc(left, func(id payment.ID) bool { return id == "" })
}

// poll reads one payment and counts it if it has ended.
func (w *waiter) poll(ctx context.Context, id payment.ID) (ended bool) {
	found, err := w.api.Get(ctx, id)
	return w.note(ctx, found, err)
}

// note counts a payment that was read, if it has ended.
func (w *waiter) note(ctx context.Context, found client.Payment, err error) (ended bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err != nil {
		if problem, ok := errors.AsType[*client.Problem](err); ok {
			w.notePause(problem.RetryAfter)
		}
		if ctx.Err() == nil {
			w.ended.LastError = err.Error()
		}
		return false
	}
	switch found.State {
	case payment.Succeeded:
		w.ended.Succeeded++
		w.ended.SucceededMinor[found.Currency] += found.AmountMinor
	case payment.Failed:
		w.ended.Failed++
	case payment.Canceled:
		w.ended.Canceled++
	case payment.Parked:
		w.ended.Parked++
	case payment.Queued, payment.Scheduled, payment.Paying, payment.Retrying, payment.Unknown, payment.Pending:
		w.notePause(found.RetryAfter)
		return false
	default: // a state of a later version
		w.notePause(found.RetryAfter)
		return false
	}
	return true
}

// notePause is called with mu held.
func (w *waiter) notePause(told time.Duration) {
	if told > 0 && (w.pause == 0 || told < w.pause) {
		w.pause = told
	}
}

// rest waits between two passes, as long as the API asked for.
func (w *waiter) rest(ctx context.Context) {
	pause := pauseUsual
	if w.pause > 0 {
		pause = min(w.pause, pauseMax)
	}
	w.pause = 0
	sleep(ctx, pause)
}

func sleep(ctx context.Context, pause time.Duration) {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
