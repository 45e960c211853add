package load

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// answerTimeout is how long after the end of a run an answer may still come.
const answerTimeout = 15 * time.Second

// ConnectionsMax is how many connections a run can have.
const ConnectionsMax = 999

// Plan is what one run does.
type Plan struct {
	Address     string // host:port of the server
	Connections int    // each sends its next request when the last is answered
	// RepeatEvery makes each n-th request of a connection repeat one of its
	// earlier orders: 5 repeats 20 %, 1 repeats all. 0 repeats none.
	RepeatEvery int
	// CountsRepeats says that the server tells a repeated order, by
	// "duplicate":true in its answer.
	CountsRepeats bool
	// Run tells the order numbers of this run from those of others; below 1000.
	Run int

	WarmUp time.Duration
	Window time.Duration // what is measured, after the warm-up
}

// Result is what the clients saw within the window.
type Result struct {
	Window  time.Duration // as it really was
	Latency Histogram     // of all answers
	Repeats int64         // requests that repeated an order
	Refused int64         // answers that were no 202
	// Misjudged are answers that call a new order repeated or a repeated one new,
	// of a server that tells them apart.
	Misjudged int64
	// FirstWrong is an answer of these two sorts; "" if there is none.
	FirstWrong string
}

// Rate is answers per second.
func (r *Result) Rate() float64 {
	return float64(r.Latency.Count()) / r.Window.Seconds()
}

// Run carries out a plan. It calls probe when the window opens and when it
// closes. An error means that the run is worth nothing: a connection broke, ctx
// ended, or probe failed.
func Run(ctx context.Context, plan Plan, probe func() error) (*Result, error) {
	if plan.Connections < 1 || plan.Connections > ConnectionsMax || plan.Run < 0 || plan.Run >= runsMax {
		return nil, fmt.Errorf("load: %d connections in run %d: out of range", plan.Connections, plan.Run)
	}
	deadline := time.Now().Add(plan.WarmUp + plan.Window + answerTimeout)
	var (
		phase   phase
		workers = make([]worker, plan.Connections)
		wg      sync.WaitGroup
	)
	for i := range workers {
		client, err := dial(ctx, plan.Address, deadline)
		if err != nil {
			phase.set(over)
			wg.Wait()
			return nil, fmt.Errorf("load: %w", err)
		}
		workers[i] = worker{plan: plan, phase: &phase, client: client}
		wg.Go(func() { workers[i].err = workers[i].work(i) })
	}
	took, err := measure(ctx, plan, &phase, probe)
	wg.Wait()
	return collect(workers, took, err)
}

// measure opens and closes the window, and ends the run.
func measure(ctx context.Context, plan Plan, phase *phase, probe func() error) (time.Duration, error) {
	defer phase.set(over)
	if err := pause(ctx, plan.WarmUp); err != nil {
		return 0, err
	}
	if err := probe(); err != nil {
		return 0, err
	}
	opened := time.Now()
	phase.set(measured)
	if err := pause(ctx, plan.Window); err != nil {
		return 0, err
	}
	phase.set(over)
	took := time.Since(opened)
	return took, probe()
}

func collect(workers []worker, took time.Duration, err error) (*Result, error) {
	total := &Result{Window: took}
	errs := []error{err}
	for i := range workers {
		seen := &workers[i].seen
		total.Latency.Merge(&seen.Latency)
		total.Repeats += seen.Repeats
		total.Refused += seen.Refused
		total.Misjudged += seen.Misjudged
		if total.FirstWrong == "" {
			total.FirstWrong = seen.FirstWrong
		}
		errs = append(errs, workers[i].err)
	}
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("load: %w", err)
	}
	return total, nil
}

// phase is where a run is.
type phase struct{ at atomic.Int32 }

const (
	warming int32 = iota
	measured
	over
)

func (p *phase) set(at int32) { p.at.Store(at) }
func (p *phase) get() int32   { return p.at.Load() }

// worker is what one connection does and sees.
type worker struct {
	plan   Plan
	phase  *phase
	client *client
	seen   Result
	err    error // of work, once it has returned
}

func (w *worker) work(number int) error {
	defer func() { _ = w.client.conn.Close() }() // nothing is in flight on it
	request := newRequest(w.plan.Address, w.plan.Run, number)
	orders := newOrders(w.plan.RepeatEvery, uint64(number)) //nolint:gosec // not negative
	for orders.placed < countsMax {
		order, repeats := orders.next()
		started := time.Now()
		got, err := w.client.exchange(request.of(order))
		if err != nil {
			return err
		}
		switch w.phase.get() {
		case measured:
			w.seen.Latency.Add(time.Since(started))
			w.judge(got, repeats)
		case over:
			return nil
		}
	}
	return errors.New("the order numbers ran out")
}

// judge holds an answer against what was sent.
func (w *worker) judge(got answer, repeats bool) {
	if repeats {
		w.seen.Repeats++
	}
	switch {
	case got.status != http.StatusAccepted:
		w.seen.Refused++
	case w.plan.CountsRepeats && got.repeats != repeats:
		w.seen.Misjudged++
	default:
		return
	}
	if w.seen.FirstWrong == "" {
		w.seen.FirstWrong = string(got.text)
	}
}

func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
