package await

import (
	"context"
	"time"
)

// lookStep is how often the clock spreads looks, while anybody waits.
const lookStep = 100 * time.Millisecond

// clockLoop ends waits in time, and has payments looked at of which nothing was
// announced, until ctx ends. One timer is enough for all who wait.
func (h *Hub) clockLoop(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	pace := pace{at: time.Now()}
	for {
		select {
		case <-ctx.Done():
			return
		case <-h.hurry:
		case <-timer.C:
		}
		if sleep, waiting := h.tick(&pace, time.Now()); waiting {
			timer.Reset(sleep)
		} else {
			timer.Stop()
		}
	}
}

// pace spreads looks: as much time as passes, so much of the round is gone.
type pace struct {
	at     time.Time
	credit float64 // looks
}

// tick does what is due, and tells how long there is nothing to do then.
func (h *Hub) tick(p *pace, now time.Time) (sleep time.Duration, waiting bool) {
	every := h.cfg.LookEvery
	if !h.cfg.Connected() {
		every = h.cfg.BlindLookEvery
	}
	h.mu.Lock()
	defer h.unlock()
	for len(h.due) > 0 && !h.due[0].until.After(now) {
		h.finish(h.due[0])
	}
	if len(h.due) == 0 {
		*p = pace{at: now}
		return 0, false
	}
	if passed := now.Sub(p.at); passed >= lookStep {
		h.look(p, now, passed, every)
	}
	return min(h.due[0].until.Sub(now), p.at.Add(lookStep).Sub(now)), true
}

// look has a part of the round read: as much as makes one round in the time in
// which each must be looked at, and besides those who come too late by that since
// the round has become shorter or quicker. That is limited, too, so that the loss
// of a connection is no burst of reads.
func (h *Hub) look(p *pace, now time.Time, passed, every time.Duration) {
	part := min(1, float64(passed)/float64(every)) * float64(len(h.watches))
	p.at = now
	p.credit = min(p.credit+part, float64(len(h.watches)))
	for n := 0; n < max(int(2*part), batchMax) && h.round.first != nil; n++ {
		w := h.round.first
		late := now.Sub(w.looked) >= every
		if p.credit < 1 && !late {
			return
		}
		p.credit = max(0, p.credit-1)
		h.round.remove(w)
		w.looked = now
		h.round.add(w)
		h.looks.Add(1)
		h.wakeUp(w)
	}
}
