package await

import (
	"container/heap"
	"slices"
	"time"

	"github.com/paybuf/paybuf/payment"
)

// seat is one who waits. With its watch it takes some 400 bytes.
type seat struct {
	watch  *watch
	tenant payment.TenantID
	see    func(payment.Payment) (enough bool)
	until  time.Time
	place  int    // in byEnd, -1 when the wait is over
	row    int    // in its watch
	over   func() // is told when the wait is over
}

// watch is a payment that somebody waits for.
type watch struct {
	id      payment.ID
	seats   []*seat
	version int64 // the last that was read, 0 before
	woken   bool  // it is to be read
	looked  time.Time

	before, after *watch // in the round
}

// sit takes a place, nil if there is none. The payment is read at once: whatever
// happened before now was announced to nobody.
func (h *Hub) sit(
	tenant payment.TenantID, id payment.ID, until time.Time, see func(payment.Payment) (enough bool), over func(),
) *seat {
	h.mu.Lock()
	defer h.mu.Unlock()
	share := int(h.cfg.TenantShare * float64(h.cfg.WaitersMax))
	if h.released || len(h.due) >= h.cfg.WaitersMax || h.tenants[tenant] >= share {
		return nil
	}
	w := h.watches[id]
	if w == nil {
		w = &watch{id: id}
		h.watches[id] = w
	} else {
		h.round.remove(w)
	}
	w.looked = time.Now()
	h.round.add(w)
	s := &seat{watch: w, tenant: tenant, see: see, until: until, row: len(w.seats), over: over}
	w.seats = append(w.seats, s)
	h.tenants[tenant]++
	heap.Push(&h.due, s)
	h.wakeUp(w)
	if s.place == 0 {
		poke(h.hurry)
	}
	return s
}

// leave gives a place up, unless the wait has ended.
func (h *Hub) leave(s *seat) (inTime bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if s.place < 0 {
		return false
	}
	h.rise(s)
	return true
}

// finish ends a wait. Who waited is told when the lock is given up, with unlock.
func (h *Hub) finish(s *seat) {
	h.rise(s)
	h.ended = append(h.ended, s.over)
}

func (h *Hub) unlock() {
	ended := h.ended
	h.ended = nil
	h.mu.Unlock()
	for _, over := range ended {
		over()
	}
}

// rise takes a seat away.
func (h *Hub) rise(s *seat) {
	heap.Remove(&h.due, s.place)
	s.place = -1
	if h.tenants[s.tenant]--; h.tenants[s.tenant] == 0 {
		delete(h.tenants, s.tenant)
	}
	w := s.watch
	end := len(w.seats) - 1
	w.seats[s.row] = w.seats[end]
	w.seats[s.row].row = s.row
	w.seats[end] = nil
	if w.seats = w.seats[:end]; end == 0 {
		h.round.remove(w)
		delete(h.watches, w.id)
		w.woken = false
	}
}

// wakeUp has a payment read soon. There may be nobody who waits for it.
func (h *Hub) wakeUp(w *watch) {
	if w == nil || w.woken {
		return
	}
	w.woken = true
	if len(h.woken) > 2*len(h.watches)+batchMax { // while nothing can be read, many may come and leave
		h.woken = slices.DeleteFunc(h.woken, func(w *watch) bool { return !w.woken })
	}
	h.woken = append(h.woken, w)
	poke(h.wake)
}

func poke(channel chan struct{}) {
	select {
	case channel <- struct{}{}:
	default:
	}
}

// byEnd is a heap of those who wait, whose time is over first in front.
type byEnd []*seat

func (b byEnd) Len() int           { return len(b) }
func (b byEnd) Less(i, j int) bool { return b[i].until.Before(b[j].until) }

func (b byEnd) Swap(i, j int) {
	b[i], b[j] = b[j], b[i]
	b[i].place, b[j].place = i, j
}

// Push is for container/heap.
func (b *byEnd) Push(x any) {
	s := x.(*seat) //nolint:forcetypeassert // of ours
	s.place = len(*b)
	*b = append(*b, s)
}

// Pop is for container/heap.
func (b *byEnd) Pop() any {
	last := len(*b) - 1
	s := (*b)[last]
	(*b)[last] = nil
	*b = (*b)[:last]
	return s
}

// round is a list of watches in the order of their last looks.
type round struct{ first, last *watch }

func (r *round) add(w *watch) {
	w.before, w.after = r.last, nil
	if r.last == nil {
		r.first = w
	} else {
		r.last.after = w
	}
	r.last = w
}

func (r *round) remove(w *watch) {
	if w.before == nil {
		r.first = w.after
	} else {
		w.before.after = w.after
	}
	if w.after == nil {
		r.last = w.before
	} else {
		w.after.before = w.before
	}
	w.before, w.after = nil, nil
}
