package storm

import (
	"context"
	"net/http"
	"sync"
	"time"

	"github.com/paybuf/paybuf/payment"
)

// followPeriod is between two questions of one follower.
const followPeriod = 5 * time.Millisecond

// endedShare is one question in so many that is about a payment which has ended.
const endedShare = 4

// history is what desks have said of the payments that were accepted.
type history struct {
	open, ended []payment.ID // ended are final or parked
	last        map[payment.ID]shown
	asking      map[payment.ID]bool // so that the answers about one come in order
	violations  []Violation
}

// Follow asks a desk about the payments that were accepted, until ctx ends, and
// remembers all that it says. Several may follow at once.
func (s *Storm) Follow(ctx context.Context, desk string) {
	ticker := time.NewTicker(followPeriod)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		if id, any := s.ask(); any {
			s.look(ctx, desk, id)
		}
	}
}

// ask chooses a payment that nobody asks about.
func (s *Storm) ask() (payment.ID, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	from := s.past.open
	if len(from) == 0 || s.random.IntN(endedShare) == 0 {
		from = s.past.ended
	}
	if len(from) == 0 {
		return "", false
	}
	id := from[s.random.IntN(len(from))]
	if s.past.asking[id] {
		return "", false
	}
	s.past.asking[id] = true
	return id, true
}

// look asks once. That a desk cannot tell at the moment proves nothing.
func (s *Storm) look(ctx context.Context, desk string, id payment.ID) {
	status, said, err := s.read(ctx, desk, id)
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.past.asking, id)
	switch {
	case status == http.StatusNotFound:
		s.past.violate(broken(Kept, "%s was accepted and is not found", id))
	case err == nil && status == http.StatusOK:
		s.past.see(id, said)
	}
}

// accept begins the history of a payment.
func (h *history) accept(id payment.ID, amount int64) {
	if _, known := h.last[id]; known {
		return
	}
	h.last[id] = shown{ID: id, Amount: amount, State: payment.Queued}
	h.open = append(h.open, id)
}

// see compares what is said now with what was said before.
func (h *history) see(id payment.ID, said shown) {
	was := h.last[id]
	if said.Amount == 0 && said.State == payment.Canceled && (was.bare || was.State != payment.Canceled) {
		said.bare, said.Amount = true, was.Amount
	}
	switch {
	case said.ID != id || said.Amount != was.Amount:
		h.violate(broken(Amounts, "%s was accepted with %d and is shown as %s with %d", id, was.Amount, said.ID, said.Amount))
	case was.State.Final() && said.State != was.State:
		h.violate(broken(Final, "%s was %s in version %d and is %s in version %d", id, was.State, was.Version, said.State, said.Version))
	case said.Version < was.Version:
		h.violate(broken(Final, "%s went back from version %d to %d", id, was.Version, said.Version))
	case said.Version == was.Version && said.State != was.State:
		h.violate(broken(Final, "%s is %s and %s in version %d", id, was.State, said.State, said.Version))
	}
	h.last[id] = said
	if !was.ended() && said.ended() {
		for i := range h.open {
			if h.open[i] == id {
				h.open[i] = h.open[len(h.open)-1]
				h.open = h.open[:len(h.open)-1]
				break
			}
		}
		h.ended = append(h.ended, id)
	}
}

func (h *history) violate(v Violation) {
	if len(h.violations) < faultsMax {
		h.violations = append(h.violations, v)
	}
}

func isEnd(state payment.State) bool { return state.Final() || state == payment.Parked }

// Ended counts the payments that were seen to be final or parked, and those that
// were not yet.
func (s *Storm) Ended() (ended, open int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.past.ended), len(s.past.open)
}

// Finals gives the payments that were seen to be final, and their states.
func (s *Storm) Finals() map[payment.ID]payment.State {
	s.mu.Lock()
	defer s.mu.Unlock()
	finals := map[payment.ID]payment.State{}
	for id, said := range s.past.last {
		if said.State.Final() {
			finals[id] = said.State
		}
	}
	return finals
}

// Violations gives what has been seen to be broken so far.
func (s *Storm) Violations() []Violation {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Violation(nil), s.past.violations...)
}

// LookAtAll asks a desk about every payment once more; nobody follows meanwhile.
func (s *Storm) LookAtAll(ctx context.Context, desk string) {
	ids := make(chan payment.ID)
	var asking sync.WaitGroup
	for range s.cfg.Senders {
		asking.Go(func() {
			for id := range ids {
				s.look(ctx, desk, id)
			}
		})
	}
	for id := range s.Due() {
		ids <- id
	}
	close(ids)
	asking.Wait()
}
