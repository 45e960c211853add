package journal

import (
	"context"
	"fmt"
	"runtime"
	"sync"
)

// spareMax bounds the lists that are kept for the next group.
const spareMax = 64 << 10

// queue holds what Append's callers wait for. All that came while the disk
// worked for the group before makes the next one, so nothing lingers and the
// groups grow with the load.
type queue struct {
	mu      sync.Mutex
	waiting *group        // nil if nobody waits
	spare   *group        // an earlier group, emptied
	wake    chan struct{} // holds a token whenever a group began to wait
	closed  bool
}

// group shares one Commit.
type group struct {
	payloads [][]byte
	bytes    int64
	done     []func(error) // one per payload
}

func newQueue() *queue {
	return &queue{wake: make(chan struct{}, 1)}
}

// Append appends one payload together with those of other callers and returns
// when it is durable, or with the error of the Commit they shared; ErrBusy if
// too much waits. When ctx ends first it returns the cause, and the payload may
// or may not be appended. It is kept until then, so it must not be changed after
// the call even if that has returned.
func (j *Journal) Append(ctx context.Context, payload []byte) error {
	if err := context.Cause(ctx); err != nil {
		return fmt.Errorf("journal: %w", err)
	}
	durable := make(chan error, 1) // so that the journal never waits for a caller that has left
	if err := j.Enqueue(payload, func(err error) { durable <- err }); err != nil {
		return err
	}
	select {
	case err := <-durable:
		return err
	case <-ctx.Done():
		return fmt.Errorf("journal: not known to be durable: %w", context.Cause(ctx))
	}
}

// Enqueue is Append for callers that have better things to do than to wait: done
// is called once, with what Append would return, unless Enqueue itself gives an
// error. It is called by the goroutine that all records go through, so it must
// not wait for anything.
func (j *Journal) Enqueue(payload []byte, done func(error)) error {
	return j.queue.add(payload, done)
}

// appendWaiting commits group after group until the queue is closed and empty.
func (j *Journal) appendWaiting() {
	for range j.queue.wake {
		for g := j.nextGroup(); g != nil; g = j.nextGroup() {
			err := j.Commit(g.payloads)
			for _, done := range g.done {
				done(err)
			}
			j.queue.recycle(g)
		}
	}
}

// nextGroup steps aside once before it takes what waits: whoever can run comes
// along, above all those whose last group was just finished. Otherwise they would
// wait for the disk twice, and groups would have half the size.
func (j *Journal) nextGroup() *group {
	runtime.Gosched()
	return j.queue.take()
}

// add lets a payload wait.
func (q *queue) add(payload []byte, done func(error)) error {
	if len(payload) > RecordBytesMax {
		return fmt.Errorf("%w: a payload of %d bytes", ErrTooLarge, len(payload))
	}
	bytes := recordBytes(len(payload))
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return ErrClosed
	}
	if q.waiting == nil {
		q.waiting, q.spare = q.spare, nil
		if q.waiting == nil {
			q.waiting = &group{}
		}
		select {
		case q.wake <- struct{}{}:
		default:
		}
	}
	g := q.waiting
	if g.bytes+bytes > GroupBytesMax {
		return ErrBusy
	}
	g.bytes += bytes
	g.payloads = append(g.payloads, payload)
	g.done = append(g.done, done)
	return nil
}

// take gives the group that waits, or nil.
func (q *queue) take() *group {
	q.mu.Lock()
	defer q.mu.Unlock()
	g := q.waiting
	q.waiting = nil
	return g
}

// recycle keeps the lists of a finished group.
func (q *queue) recycle(g *group) {
	if cap(g.payloads) > spareMax {
		return
	}
	clear(g.payloads)
	clear(g.done)
	g.payloads, g.done, g.bytes = g.payloads[:0], g.done[:0], 0
	q.mu.Lock()
	defer q.mu.Unlock()
	q.spare = g
}

// close lets nobody wait any more; who waits already is still served.
func (q *queue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.closed {
		q.closed = true
		close(q.wake)
	}
}
