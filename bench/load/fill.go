package load

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// Fill sends a number of payments, as fast as they are answered, and gives what the
// clients saw from the first to the last. The plan's warm-up is left out; when its
// window closes, Fill stops with those that were answered. An error means that one
// was not accepted as new, or that ctx ended before.
func Fill(ctx context.Context, plan Plan, payments int) (*Result, error) {
	if payments%plan.items() != 0 {
		return nil, fmt.Errorf("load: %d payments are not whole batches of %d", payments, plan.items())
	}
	started := time.Now()
	closes := started.Add(plan.Window)
	workers, err := connect(ctx, plan, closes.Add(answerTimeout))
	if err != nil {
		return nil, fmt.Errorf("load: %w", err)
	}
	var (
		left atomic.Int64 // requests
		wg   sync.WaitGroup
	)
	left.Store(int64(payments / plan.items()))
	for i := range workers {
		wg.Go(func() { workers[i].err = workers[i].fill(ctx, closes, &left) })
	}
	wg.Wait()
	result, err := collect(workers, time.Since(started), nil)
	if err == nil {
		err = result.errWrong()
	}
	return result, err
}

// fill sends until none are left, time is over, or an answer is wrong.
func (w *worker) fill(ctx context.Context, closes time.Time, left *atomic.Int64) error {
	defer w.close()
	for time.Now().Before(closes) && w.seen.FirstWrong == "" && left.Add(-1) >= 0 {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		started := time.Now()
		got, repeats, err := w.send()
		if err != nil {
			return err
		}
		w.seen.Latency.Add(time.Since(started))
		w.judge(got, repeats)
	}
	return nil
}
