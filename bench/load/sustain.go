package load

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// donePoll is how often it is asked how many payments are done. It is so short that
// a server which is asked for a few thousand at once never runs out of them.
const donePoll = 20 * time.Millisecond

// Bound keeps what is under way bounded: without it a server that takes payments in
// faster than it brings them to an end would be measured by its queue.
type Bound struct {
	InFlightMax int64
	// Done gives how many payments were brought to an end so far.
	Done func(context.Context) (int64, error)
}

// Sustain sends payments as fast as the bound lets it, until the plan's window
// closes, and gives what the clients saw from the first payment to the last, warm-up
// included. It calls probe when the window opens and when it closes. An error means
// that a payment was not accepted as new, or what it means for Run.
func Sustain(ctx context.Context, plan Plan, bound Bound, probe func() error) (*Result, error) {
	workers, err := connect(ctx, plan, time.Now().Add(plan.WarmUp+plan.Window+answerTimeout))
	if err != nil {
		return nil, fmt.Errorf("load: %w", err)
	}
	var (
		valve   = newValve(bound.InFlightMax)
		phase   phase
		wg, ask sync.WaitGroup
		askErr  error
	)
	asking, stopAsking := context.WithCancel(ctx)
	defer stopAsking()
	ask.Go(func() { askErr = valve.follow(asking, bound.Done) })
	for i := range workers {
		wg.Go(func() { workers[i].err = workers[i].sustain(valve) })
	}
	took, err := measure(ctx, plan, &phase, probe)
	valve.close()
	wg.Wait()
	stopAsking()
	ask.Wait()
	result, err := collect(workers, took, errors.Join(err, askErr))
	if err == nil {
		err = result.errWrong()
	}
	return result, err
}

// follow asks how many are done, until ctx ends. After an error nobody gets in any
// more.
func (v *valve) follow(ctx context.Context, done func(context.Context) (int64, error)) error {
	ticker := time.NewTicker(donePoll)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		n, err := done(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			v.close()
			return err
		}
		v.leave(n)
	}
}

// sustain sends whenever it gets in, until it no longer does or an answer is wrong.
func (w *worker) sustain(valve *valve) error {
	defer w.close()
	for w.seen.FirstWrong == "" && valve.enter() {
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
