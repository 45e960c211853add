package processor

import (
	"context"
	"sync"
	"time"
)

// rateHeld is how long a payment may wait for the rate after it was taken on: what
// would wait longer waits in the buffer.
const rateHeld = time.Second

// A payment lets at most roundsMax calls go before its own, or as many as take
// roundsHeld. More would only hold payments that another node could take; fewer
// would claim them one by one when few calls run at once.
const (
	roundsMax  = 2
	roundsHeld = 250 * time.Millisecond
)

// places bounds work that was taken on and is not settled yet. How many there are
// is asked each time: it depends on the payer.
type places struct {
	room  func() int
	freed chan struct{} // somebody may look again

	mu    sync.Mutex
	taken int
}

func newPlaces(room func() int) *places {
	return &places{room: room, freed: make(chan struct{}, 1)}
}

// take waits for one place and takes up to limit; 0 when ctx ends.
func (p *places) take(ctx context.Context, limit int) int {
	for {
		if n := p.tryTake(limit); n > 0 {
			return n
		}
		select {
		case <-p.freed:
		case <-ctx.Done():
			return 0
		}
	}
}

func (p *places) tryTake(limit int) int {
	room := p.room()
	p.mu.Lock()
	defer p.mu.Unlock()
	n := max(0, min(limit, room-p.taken))
	p.taken += n
	if n > 0 && p.taken < room {
		p.wake() // more than one may wait
	}
	return n
}

func (p *places) release(n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.taken -= n
	p.wake()
}

func (p *places) wake() {
	select {
	case p.freed <- struct{}{}:
	default:
	}
}

// roomFresh is how many claimed payments may be held. Two thirds are theirs, so
// that neither they nor those taken over starve the others.
func (p *Processor) roomFresh() int {
	return max(1, p.room()-p.roomDue())
}

func (p *Processor) roomDue() int { return max(1, p.room()/3) }

// room is how many payments may be held so that the last of them is called in
// time: those that are called now, and as many more for each call that fits into
// the part of the lease that a call of its own does not need.
func (p *Processor) room() int {
	slack := p.cfg.Lease - p.cfg.PayTimeout - leaseMargin
	slowest := p.gate.latency.slowest()
	if slowest == 0 { // not known yet
		slowest = p.cfg.PayTimeout
	}
	slowest = max(slowest, time.Millisecond)
	rounds := min(int(slack/slowest), max(roundsMax, int(roundsHeld/slowest)))
	room := min(p.gate.limit()*(1+rounds), (1+roundsMax)*p.cfg.Concurrency)
	if p.cfg.PayerRate > 0 {
		room = min(room, int(p.cfg.PayerRate*rateHeld.Seconds()))
	}
	return room
}
