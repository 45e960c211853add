package store

import (
	"errors"
	"runtime"
	"sync"
)

// waitingMax bounds what waits for a commit.
const waitingMax = 1 << 16

var (
	errBusy   = errors.New("too many wait")
	errClosed = errors.New("closed")
)

// loop lets many callers share the commits of a store that has one writer: all
// that came while the disk worked make the next group. It works as the one in
// buffer/journal does, so that nobody has a better one.
type loop struct {
	commit func(payloads [][]byte) error
	wake   chan struct{} // holds a token whenever a group began to wait
	ended  sync.WaitGroup

	mu      sync.Mutex
	waiting *group   // nil if nobody waits
	spare   [][]byte // the list of an earlier group, emptied
	closed  bool
}

// group shares one commit.
type group struct {
	payloads [][]byte
	done     chan struct{} // closed once err is final
	err      error
}

func newLoop(commit func(payloads [][]byte) error) *loop {
	l := &loop{commit: commit, wake: make(chan struct{}, 1)}
	l.ended.Go(l.run)
	return l
}

// Append returns once the payload's group was committed.
func (l *loop) Append(payload []byte) error {
	g, err := l.join(payload)
	if err != nil {
		return err
	}
	<-g.done
	return g.err
}

// close serves who waits, and returns when the store is no longer used.
func (l *loop) close() {
	l.mu.Lock()
	if !l.closed {
		l.closed = true
		close(l.wake)
	}
	l.mu.Unlock()
	l.ended.Wait()
}

func (l *loop) run() {
	for range l.wake {
		for g := l.take(); g != nil; g = l.take() {
			g.err = l.commit(g.payloads)
			l.recycle(g.payloads)
			close(g.done)
		}
	}
}

func (l *loop) join(payload []byte) (*group, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil, errClosed
	}
	if l.waiting == nil {
		l.waiting = &group{payloads: l.spare, done: make(chan struct{})}
		l.spare = nil
		select {
		case l.wake <- struct{}{}:
		default:
		}
	}
	g := l.waiting
	if len(g.payloads) == waitingMax {
		return nil, errBusy
	}
	g.payloads = append(g.payloads, payload)
	return g, nil
}

// take steps aside once, so that those whose group was just finished come along.
func (l *loop) take() *group {
	runtime.Gosched()
	l.mu.Lock()
	defer l.mu.Unlock()
	g := l.waiting
	l.waiting = nil
	return g
}

// recycle keeps the list of a finished group. Its callers read only the error.
func (l *loop) recycle(payloads [][]byte) {
	clear(payloads)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.spare = payloads[:0]
}
