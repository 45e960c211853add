package simulator

import (
	"sync"
	"time"
)

// decision is a pending charge and when it is decided.
type decision struct {
	op *operation
	at time.Time
}

// queue holds what is pending, in the order of its decision: all wait equally
// long.
type queue struct {
	wake chan struct{} // at most one waits: the queue is no longer empty

	mu      sync.Mutex
	waiting []decision
}

func newQueue() *queue { return &queue{wake: make(chan struct{}, 1)} }

func (q *queue) push(d decision) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.waiting = append(q.waiting, d)
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// due takes what is to be decided by now, and tells how long until the next,
// less than 0 if nothing waits.
func (q *queue) due() (ready []decision, next time.Duration) {
	q.mu.Lock()
	defer q.mu.Unlock()
	n := 0
	for n < len(q.waiting) && time.Until(q.waiting[n].at) <= 0 {
		n++
	}
	ready, q.waiting = q.waiting[:n:n], q.waiting[n:]
	if len(q.waiting) == 0 {
		return ready, -1
	}
	return ready, time.Until(q.waiting[0].at)
}

// decidePending is the one goroutine that decides what is pending.
func (e *Engine) decidePending() {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-e.closing:
			return
		case <-e.undecided.wake:
		case <-timer.C:
		}
		ready, next := e.undecided.due()
		e.decide(ready)
		if next >= 0 {
			timer.Reset(next)
		}
	}
}

// decide writes all decisions before it waits for the first, so that they share
// an fsync. What cannot be written stays pending; Close tells why.
func (e *Engine) decide(ready []decision) {
	batches := make([]*batch, len(ready))
	for i, d := range ready {
		if !e.book.change(d.op) {
			continue // it was voided
		}
		line, err := d.op.entry(e.opts.decide(d.op.reference), time.Now(), d.op.visibleAt).line()
		if err == nil {
			batches[i], err = e.ledger.add(line)
		}
		if err != nil {
			e.book.leave([]*operation{d.op})
		}
	}
	for i, d := range ready {
		switch {
		case batches[i] == nil:
		case batches[i].wait() != nil:
			e.book.leave([]*operation{d.op})
		default:
			e.book.finish(d.op, e.opts.decide(d.op.reference), d.op.visibleAt)
		}
	}
}
