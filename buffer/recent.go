package buffer

import (
	"sync"
	"time"

	"github.com/paybuf/paybuf/payment"
)

// recentMax bounds the ids in one generation, about 12 MB.
const recentMax = 100_000

// recent knows the requests that this process stored a moment ago, so that a
// storm of repetitions costs neither the journal nor the stream anything. What
// it has forgotten the stream still knows.
//
// Its maps hold no pointers, so that the garbage collector passes them over.
type recent struct {
	mu         sync.Mutex
	window     time.Duration
	begun      time.Time // what stored.at counts from
	since      time.Duration
	young, old map[recentID]stored
}

// recentID is a payment's id, which has 30 bytes.
type recentID [30]byte

func recentIDOf(id payment.ID) (key recentID) {
	copy(key[:], id)
	return key
}

// stored is what must be known of a first request to answer its repetition.
type stored struct {
	fingerprint  payment.Fingerprint
	kept         bool // this node's journal has a receipt with that body
	acceptedAtMS int64
	at           time.Duration // of storing, since recent's begin
}

// acceptedAt is the time of the first request, as exact as requests are kept.
func (s stored) acceptedAt() time.Time { return time.UnixMilli(s.acceptedAtMS).UTC() }

func newRecent(window time.Duration) *recent {
	return &recent{window: window, begun: time.Now(), young: map[recentID]stored{}}
}

// add remembers a request that was stored.
func (r *recent) add(request payment.Request, fingerprint payment.Fingerprint, kept bool) {
	r.addAt(request, stored{fingerprint: fingerprint, kept: kept}, time.Now())
}

// addAt remembers a request that was stored at a time, the latest so far.
func (r *recent) addAt(request payment.Request, first stored, stamp time.Time) {
	at := stamp.Sub(r.begun)
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.young) >= recentMax || at-r.since > r.window {
		r.old, r.young, r.since = r.young, map[recentID]stored{}, at
	}
	first.acceptedAtMS, first.at = request.AcceptedAt.UnixMilli(), at
	r.young[recentIDOf(request.ID)] = first
}

// find gives the first request with an id, if it was stored within the window.
func (r *recent) find(id payment.ID) (stored, bool) {
	key := recentIDOf(id)
	r.mu.Lock()
	defer r.mu.Unlock()
	first, known := r.young[key]
	if !known {
		first, known = r.old[key]
	}
	return first, known && time.Since(r.begun)-first.at < r.window
}
