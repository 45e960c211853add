package outbound

import (
	"context"
	"sync"
	"time"
)

// pool has the lanes that idle. Whoever works on one holds a place.
type pool struct {
	places chan struct{} // as many as there may be lanes in use

	mu     sync.Mutex
	idle   []*lane     // the one that idles longest first
	expiry *time.Timer // nil if none idles
	closed bool        // nothing idles any more
}

// enter waits for a place until ctx ends.
func (p *pool) enter(ctx context.Context) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	select {
	case p.places <- struct{}{}:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (p *pool) leave() { <-p.places }

// take gives the lane that was used last and is still alive, or nil. One that the
// other side has closed would take a payment to its grave.
func (p *pool) take() *lane {
	for {
		p.mu.Lock()
		last := len(p.idle) - 1
		if last < 0 {
			p.mu.Unlock()
			return nil
		}
		found := p.idle[last]
		p.idle[last], p.idle = nil, p.idle[:last]
		p.mu.Unlock()
		if time.Since(found.idleSince) < idleTimeout && isQuiet(found.conn) {
			return found
		}
		_ = found.conn.Close() // nothing is on its way
	}
}

// give lets a lane idle.
func (p *pool) give(used *lane) {
	used.idleSince = time.Now()
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		p.drop(used)
		return
	}
	p.idle = append(p.idle, used)
	if p.expiry == nil {
		p.expiry = time.AfterFunc(idleTimeout, p.expire)
	}
	p.mu.Unlock()
	p.leave()
}

// drop ends a lane that cannot be used again.
func (p *pool) drop(used *lane) {
	used.end()
	_ = used.conn.Close() // what it was for has been said
	p.leave()
}

// expire closes what has idled too long, and comes again as long as anything idles.
func (p *pool) expire() {
	p.mu.Lock()
	defer p.mu.Unlock()
	old := 0
	for old < len(p.idle) && time.Since(p.idle[old].idleSince) >= idleTimeout {
		_ = p.idle[old].conn.Close() // nothing is on its way
		old++
	}
	p.idle = append(p.idle[:0], p.idle[old:]...)
	p.expiry = nil
	if len(p.idle) > 0 {
		p.expiry = time.AfterFunc(idleTimeout-time.Since(p.idle[0].idleSince), p.expire)
	}
}

func (p *pool) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	for _, idle := range p.idle {
		_ = idle.conn.Close() // nothing is on its way
	}
	p.idle = nil
	if p.expiry != nil {
		p.expiry.Stop()
		p.expiry = nil
	}
}
