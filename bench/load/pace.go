package load

import (
	"context"
	"fmt"
	"maps"
	"math"
	"sync"
	"sync/atomic"
	"time"
)

// Paced is what the clients saw of payments that came at a steady rate.
type Paced struct {
	Result // from the first payment to the last, warm-up included
	// Accepted says when the client had the 202 of each order that was sent in the
	// window, by order number.
	Accepted map[string]time.Time
	// LateMax is how long after its time a request was sent at most, because all
	// connections were waiting for an answer.
	LateMax time.Duration
}

// Pace sends payments at a steady rate, whatever becomes of them, until the plan's
// window closes. An error means what it means for Sustain, or that there is no rate.
func Pace(ctx context.Context, plan Plan, perSecond float64) (*Paced, error) {
	if !(perSecond > 0) || math.IsInf(perSecond, 1) {
		return nil, fmt.Errorf("load: %v payments per second are no rate", perSecond)
	}
	workers, err := connect(ctx, plan, time.Now().Add(plan.WarmUp+plan.Window+answerTimeout))
	if err != nil {
		return nil, fmt.Errorf("load: %w", err)
	}
	var (
		paces = make([]pacer, len(workers))
		sent  atomic.Int64
		wg    sync.WaitGroup
		clock = timetable{from: time.Now(), warmUp: plan.WarmUp, window: plan.Window, perSecond: perSecond, sent: &sent}
	)
	for i := range workers {
		paces[i] = pacer{worker: &workers[i], connection: i, accepted: map[string]time.Time{}}
		wg.Go(func() { workers[i].err = paces[i].run(ctx, clock) })
	}
	wg.Wait()
	result, err := collect(workers, plan.Window, nil)
	if err == nil {
		err = result.errWrong()
	}
	if err != nil {
		return nil, err
	}
	paced := &Paced{Result: *result, Accepted: map[string]time.Time{}}
	for _, p := range paces {
		maps.Copy(paced.Accepted, p.accepted)
		paced.LateMax = max(paced.LateMax, p.lateMax)
	}
	return paced, nil
}

// timetable says when each request is due.
type timetable struct {
	from           time.Time
	warmUp, window time.Duration
	perSecond      float64
	sent           *atomic.Int64
}

// next takes the next request's time; false after the end of the window.
func (t timetable) next() (due time.Time, ok bool) {
	n := t.sent.Add(1) - 1
	after := time.Duration(float64(n) / t.perSecond * float64(time.Second))
	return t.from.Add(after), after < t.warmUp+t.window
}

// counts tells whether what is due then is in the window.
func (t timetable) counts(due time.Time) bool { return due.Sub(t.from) >= t.warmUp }

// pacer is a connection that sends by the timetable.
type pacer struct {
	worker     *worker
	connection int
	accepted   map[string]time.Time
	lateMax    time.Duration
}

func (p *pacer) run(ctx context.Context, clock timetable) error {
	w := p.worker
	defer w.close()
	for w.seen.FirstWrong == "" {
		due, ok := clock.next()
		if !ok {
			return nil
		}
		if err := Pause(ctx, time.Until(due)); err != nil {
			return err
		}
		started := time.Now()
		p.lateMax = max(p.lateMax, started.Sub(due))
		number := fmt.Sprintf(numberFormat, w.plan.Run, p.connection, w.orders.placed)
		got, repeats, err := w.send()
		if err != nil {
			return err
		}
		answered := time.Now()
		w.seen.Latency.Add(answered.Sub(started))
		w.judge(got, repeats)
		if clock.counts(due) {
			p.accepted[number] = answered
		}
	}
	return nil
}
