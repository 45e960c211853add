package load

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// answerTimeout is how long after the end of a run an answer may still come.
const answerTimeout = 15 * time.Second

// ConnectionsMax is how many connections a run can have.
const ConnectionsMax = 999

// BatchMax is how many payments a request can have.
const BatchMax = 1000

// Plan is what one run does.
type Plan struct {
	Address     string // host:port of the server
	Connections int    // each sends its next request when the last is answered
	// RepeatPercent of a connection's requests repeat one of its earlier orders.
	RepeatPercent int
	// Batch is how many payments a request has: from 2 on they are sent to
	// /v1/payments/batch. Batches repeat nothing and have no keys.
	Batch int
	// Keyed gives each order an Idempotency-Key of its own.
	Keyed bool
	// NotBefore is when the payments are due, if it is not zero.
	NotBefore time.Time
	// APIKey goes with each request, unless it is "".
	APIKey string
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
	// Payments are those that the answers were for, one or a batch each.
	Payments int64
	Repeats  int64 // requests that repeated an order
	Refused  int64 // payments whose answer was no 202
	// Misjudged are those whose answers call a new order repeated or a repeated one new,
	// of a server that tells them apart.
	Misjudged int64
	// FirstWrong is an answer of these two sorts; "" if there is none.
	FirstWrong string
}

// Rate is payments answered per second.
func (r *Result) Rate() float64 {
	return float64(r.Payments) / r.Window.Seconds()
}

// check finds a plan that cannot be carried out.
func (p Plan) check() error {
	switch {
	case p.Connections < 1 || p.Connections > ConnectionsMax:
		return fmt.Errorf("%d connections: 1 to %d are possible", p.Connections, ConnectionsMax)
	case p.Run < 0 || p.Run >= runsMax:
		return fmt.Errorf("run %d: 0 to %d are possible", p.Run, runsMax-1)
	case p.Batch < 0 || p.Batch > BatchMax:
		return fmt.Errorf("batches of %d: up to %d are possible", p.Batch, BatchMax)
	case p.RepeatPercent < 0 || p.RepeatPercent > 100:
		return fmt.Errorf("%d %% repetitions: 0 to 100 are possible", p.RepeatPercent)
	case p.Batch > 1 && (p.RepeatPercent > 0 || p.Keyed):
		return errors.New("batches repeat nothing and have no keys")
	}
	return nil
}

// authorization is the header line of the key, "" without one.
func (p Plan) authorization() string {
	if p.APIKey == "" {
		return ""
	}
	return "Authorization: Bearer " + p.APIKey + "\r\n"
}

// items is how many payments a request has.
func (p Plan) items() int { return max(1, p.Batch) }

// Run carries out a plan. It calls probe when the window opens and when it
// closes. An error means that the run is worth nothing: a connection broke, ctx
// ended, or probe failed.
func Run(ctx context.Context, plan Plan, probe func() error) (*Result, error) {
	deadline := time.Now().Add(plan.WarmUp + plan.Window + answerTimeout)
	workers, err := connect(ctx, plan, deadline)
	if err != nil {
		return nil, fmt.Errorf("load: %w", err)
	}
	var (
		phase phase
		wg    sync.WaitGroup
	)
	for i := range workers {
		wg.Go(func() { workers[i].err = workers[i].work(&phase) })
	}
	took, err := measure(ctx, plan, &phase, probe)
	wg.Wait()
	return collect(workers, took, err)
}

// measure opens and closes the window, and ends the run.
func measure(ctx context.Context, plan Plan, phase *phase, probe func() error) (time.Duration, error) {
	defer phase.set(over)
	if err := Pause(ctx, plan.WarmUp); err != nil {
		return 0, err
	}
	if err := probe(); err != nil {
		return 0, err
	}
	opened := time.Now()
	phase.set(measured)
	if err := Pause(ctx, plan.Window); err != nil {
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
		total.Payments += seen.Payments
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

// Pause waits. An error is why ctx ended before.
func Pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
