package play

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/paybuf/paybuf/bench/journals/receipt"
	"github.com/paybuf/paybuf/bench/journals/store"
	"github.com/paybuf/paybuf/bench/load"
	"github.com/paybuf/paybuf/bench/machine"
)

// payloads are made before the run, and used again and again.
const payloads = 4096

// append measures callers each of which appends its next receipt when the last
// is durable.
func (o Order) append(ctx context.Context) (_ Rates, err error) {
	disk, err := machine.MeasureDisk(o.Dir)
	if err != nil {
		return Rates{}, err
	}
	a, err := store.OpenAppender(o.Kind, o.config(ignore))
	if err != nil {
		return Rates{}, err
	}
	defer func() { err = errors.Join(err, a.Close()) }()
	r := newRun(a, o.Callers)
	var wg sync.WaitGroup
	for caller := range o.Callers {
		wg.Go(func() { r.call(caller) })
	}
	before, after, err := r.measure(ctx, disk, o.WarmUp.Duration(), o.Window.Duration())
	r.phase.Store(over)
	wg.Wait()
	if err := errors.Join(append(r.errs, err)...); err != nil {
		return Rates{}, err
	}
	return r.rates(before, after), nil
}

// The phases of a run.
const (
	warming int32 = iota
	counting
	over
)

type run struct {
	appender store.Appender
	payloads [][]byte
	phase    atomic.Int32
	seen     []load.Histogram // of each caller
	errs     []error          // likewise
}

func newRun(a store.Appender, callers int) *run {
	r := &run{appender: a, seen: make([]load.Histogram, callers), errs: make([]error, callers)}
	for number := range payloads {
		r.payloads = append(r.payloads, receipt.Of(number))
	}
	return r
}

// call appends until the run is over.
func (r *run) call(caller int) {
	for number := caller; ; number += len(r.errs) {
		started := time.Now()
		if err := r.appender.Append(r.payloads[number%payloads]); err != nil {
			r.errs[caller] = err
			return
		}
		switch r.phase.Load() {
		case counting:
			r.seen[caller].Add(time.Since(started))
		case over:
			return
		}
	}
}

// measure reads the counters where the window opens and where it closes.
func (r *run) measure(ctx context.Context, disk machine.Disk, warmUp, window time.Duration) (before, after reading, err error) {
	if err := pause(ctx, warmUp); err != nil {
		return before, after, err
	}
	if before, err = read(disk); err != nil {
		return before, after, err
	}
	r.phase.Store(counting)
	if err := pause(ctx, window); err != nil {
		return before, after, err
	}
	r.phase.Store(over)
	after, err = read(disk)
	return before, after, err
}

func (r *run) rates(before, after reading) Rates {
	var all load.Histogram
	for i := range r.seen {
		all.Merge(&r.seen[i])
	}
	each := float64(max(1, all.Count()))
	return Rates{
		Rate:         float64(all.Count()) / after.at.Sub(before.at).Seconds(),
		P50:          Span(all.Quantile(0.50)),
		P99:          Span(all.Quantile(0.99)),
		CPU:          Span(float64(after.cpu-before.cpu) / each),
		Allocations:  float64(after.allocations-before.allocations) / each,
		AllocBytes:   float64(after.allocBytes-before.allocBytes) / each,
		Flushes:      float64(after.flushes-before.flushes) / each,
		DiskKnown:    after.diskKnown,
		WrittenBytes: float64(after.written-before.written) / each,
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
