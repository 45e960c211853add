package load

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

var errFillSlow = errors.New("filling took too long")

// Fill sends a number of payments, as fast as they are answered, and gives what the
// clients saw from the first to the last. The plan's warm-up is left out, and its
// window is the longest that it may take. An error means that not all of them were
// accepted as new, or that ctx ended before.
func Fill(ctx context.Context, plan Plan, payments int) (*Result, error) {
	if payments%plan.items() != 0 {
		return nil, fmt.Errorf("load: %d payments are not whole batches of %d", payments, plan.items())
	}
	ctx, cancel := context.WithTimeoutCause(ctx, plan.Window, errFillSlow)
	defer cancel()
	started := time.Now()
	workers, err := connect(ctx, plan, started.Add(plan.Window+answerTimeout))
	if err != nil {
		return nil, fmt.Errorf("load: %w", err)
	}
	var (
		left atomic.Int64 // requests
		wg   sync.WaitGroup
	)
	left.Store(int64(payments / plan.items()))
	for i := range workers {
		wg.Go(func() { workers[i].err = workers[i].fill(ctx, &left) })
	}
	wg.Wait()
	result, err := collect(workers, time.Since(started), nil)
	if err == nil {
		err = result.errWrong()
	}
	return result, err
}

// fill sends until none are left, or one goes wrong.
func (w *worker) fill(ctx context.Context, left *atomic.Int64) error {
	defer w.close()
	for left.Add(-1) >= 0 && w.seen.FirstWrong == "" {
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
