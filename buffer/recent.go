package buffer

import (
	"sync"
	"time"

	"github.com/paybuf/paybuf/payment"
)

// recentMax bounds the ids in one generation, about 15 MB.
const recentMax = 100_000

// recent knows the requests that this process stored a moment ago, so that a
// storm of repetitions costs neither the journal nor the stream anything. What
// it has forgotten the stream still knows.
type recent struct {
	mu         sync.Mutex
	window     time.Duration
	since      time.Time // when young began
	young, old map[payment.ID]stored
}

// stored is what must be known of a first request to answer its repetition.
type stored struct {
	fingerprint payment.Fingerprint
	acceptedAt  time.Time
	at          time.Time // of storing, by this process's clock
}

func newRecent(window time.Duration) *recent {
	return &recent{window: window, since: time.Now(), young: map[payment.ID]stored{}, old: map[payment.ID]stored{}}
}

// add remembers a request that was stored.
func (r *recent) add(request payment.Request, fingerprint payment.Fingerprint) {
	now := time.Now()
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.young) >= recentMax || now.Sub(r.since) > r.window {
		r.old, r.young, r.since = r.young, map[payment.ID]stored{}, now
	}
	r.young[request.ID] = stored{fingerprint: fingerprint, acceptedAt: request.AcceptedAt, at: now}
}

// find gives the first request with an id, if it was stored within the window.
func (r *recent) find(id payment.ID) (stored, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	first, known := r.young[id]
	if !known {
		first, known = r.old[id]
	}
	return first, known && time.Since(first.at) < r.window
}
