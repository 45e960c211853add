package journal

import (
	"context"
	"fmt"
	"runtime"
	"sync"
)

// spareMax bounds the list that is kept for the next group.
const spareMax = 64 << 10

// queue holds what Append's callers wait for. All that came while the disk
// worked for the group before makes the next one, so nothing lingers and the
// groups grow with the load.
type queue struct {
	mu      sync.Mutex
	waiting *group        // nil if nobody waits
	spare   [][]byte      // the list of an earlier group, emptied
	wake    chan struct{} // holds a token whenever a group began to wait
	closed  bool
}

// group shares one Commit.
type group struct {
	payloads [][]byte
	bytes    int64
	done     chan struct{} // closed once err is final
	err      error
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
	g, err := j.queue.add(payload)
	if err != nil {
		return err
	}
	select {
	case <-g.done:
		return g.err
	case <-ctx.Done():
		return fmt.Errorf("journal: not known to be durable: %w", context.Cause(ctx))
	}
}

// appendWaiting commits group after group until the queue is closed and empty.
func (j *Journal) appendWaiting() {
	for range j.queue.wake {
		for g := j.nextGroup(); g != nil; g = j.nextGroup() {
			g.err = j.Commit(g.payloads)
			j.queue.recycle(g.payloads)
			close(g.done)
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

// add lets a payload wait, and gives the group that it waits with.
func (q *queue) add(payload []byte) (*group, error) {
	if len(payload) > RecordBytesMax {
		return nil, fmt.Errorf("%w: a payload of %d bytes", ErrTooLarge, len(payload))
	}
	bytes := recordBytes(len(payload))
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return nil, ErrClosed
	}
	if q.waiting == nil {
		q.waiting = &group{payloads: q.spare, done: make(chan struct{})}
		q.spare = nil
		select {
		case q.wake <- struct{}{}:
		default:
		}
	}
	g := q.waiting
	if g.bytes+bytes > GroupBytesMax {
		return nil, ErrBusy
	}
	g.bytes += bytes
	g.payloads = append(g.payloads, payload)
	return g, nil
}

// take gives the group that waits, or nil.
func (q *queue) take() *group {
	q.mu.Lock()
	defer q.mu.Unlock()
	g := q.waiting
	q.waiting = nil
	return g
}

// recycle keeps the list of a finished group. Its callers read only the error.
func (q *queue) recycle(payloads [][]byte) {
	if cap(payloads) > spareMax {
		return
	}
	clear(payloads)
	q.mu.Lock()
	defer q.mu.Unlock()
	q.spare = payloads[:0]
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
