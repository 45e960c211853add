package status

import (
	"container/list"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/paybuf/paybuf/payment"
)

const (
	finalsBytesDefault = 16 << 20
	// finalFor bounds how long an answer lacks a successor whose announcement was lost,
	// and finalBlindFor while announcements cannot come. With five
	// seconds for both, an eighth of the process' time went into reading 10,000 payments
	// that were all asked for in turn.
	finalFor      = 30 * time.Second
	finalBlindFor = 5 * time.Second
	// earlyMax is by which part of that at most an answer is read again sooner, drawn for
	// each, so that those that were remembered together are not all read together.
	earlyMax = 0.25
	// entryBytes is about what an answer takes besides its texts: itself, its place in
	// the list and the one in the map.
	entryBytes = 400
)

// Finals remembers answers about final payments, the last ones asked for. All that
// can change of such a payment is that another one tries it again. It is safe for
// concurrent use; a nil one remembers nothing.
type Finals struct {
	bytesMax  int
	connected func() bool

	mu      sync.Mutex
	entries map[finalKey]*list.Element
	recent  list.List // of *finalEntry, the one first that was asked for last
	bytes   int
	dropped uint64 // how often an answer was dropped for a change

	hits, misses int64
}

type finalKey struct {
	tenant payment.TenantID
	id     payment.ID
}

type finalEntry struct {
	key   finalKey
	shown *shown
	since time.Time
	early float64 // up to earlyMax
}

func (e *finalEntry) isOld(now time.Time, keptFor time.Duration) bool {
	return now.Sub(e.since) >= keptFor-time.Duration(e.early*float64(keptFor))
}

func (e *finalEntry) bytes() int {
	return entryBytes + len(e.key.tenant) + len(e.key.id) + len(e.shown.body) + len(e.shown.base) + len(e.shown.etag)
}

// NewFinals remembers as much as fits into bytesMax; 16 MiB if 0. connected tells
// whether changes are announced at the moment; if nil, they always are.
func NewFinals(bytesMax int, connected func() bool) *Finals {
	if bytesMax == 0 {
		bytesMax = finalsBytesDefault
	}
	if connected == nil {
		connected = func() bool { return true }
	}
	return &Finals{bytesMax: bytesMax, connected: connected, entries: map[finalKey]*list.Element{}}
}

// find gives the answer with that base, nil if there is none. mark stands for this
// moment: what was read after it and before a change is not to be kept.
func (f *Finals) find(tenant payment.TenantID, id payment.ID, base string, now time.Time) (found *shown, mark uint64) {
	if f == nil {
		return nil, 0
	}
	keptFor := finalFor
	if !f.connected() {
		keptFor = finalBlindFor
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	at, known := f.entries[finalKey{tenant, id}]
	if !known {
		f.misses++
		return nil, f.dropped
	}
	entry := at.Value.(*finalEntry) //nolint:forcetypeassert // of ours
	if entry.isOld(now, keptFor) || entry.shown.base != base {
		f.misses++
		return nil, f.dropped
	}
	f.hits++
	f.recent.MoveToFront(at)
	return entry.shown, f.dropped
}

// keep remembers the answer about a payment that was read after mark. A bare one is
// not final in all its parts: its request may come.
func (f *Finals) keep(p *payment.Payment, s *shown, mark uint64, now time.Time) {
	if f == nil || p.Bare() {
		return
	}
	entry := &finalEntry{
		key: finalKey{p.Tenant, p.ID}, shown: s, since: now,
		early: earlyMax * rand.Float64(), //nolint:gosec // spreads work, is no secret
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.dropped != mark || entry.bytes() > f.bytesMax {
		return
	}
	f.drop(f.entries[entry.key])
	f.entries[entry.key] = f.recent.PushFront(entry)
	for f.bytes += entry.bytes(); f.bytes > f.bytesMax; {
		f.drop(f.recent.Back())
	}
}

// Changed forgets what the changes make untrue.
func (f *Finals) Changed(changes []payment.Change) {
	for i := range changes {
		if changes[i].RetryOf == "" {
			continue
		}
		f.mu.Lock()
		f.dropped++
		f.drop(f.entries[finalKey{changes[i].Tenant, changes[i].RetryOf}])
		f.mu.Unlock()
	}
}

func (f *Finals) drop(at *list.Element) {
	if at == nil {
		return
	}
	entry := f.recent.Remove(at).(*finalEntry) //nolint:forcetypeassert // of ours
	delete(f.entries, entry.key)
	f.bytes -= entry.bytes()
}

// FinalsStats is how much is remembered, and how often that was of use.
type FinalsStats struct {
	Payments, Bytes int
	Hits, Misses    int64
}

// Stats gives the counts.
func (f *Finals) Stats() FinalsStats {
	f.mu.Lock()
	defer f.mu.Unlock()
	return FinalsStats{Payments: len(f.entries), Bytes: f.bytes, Hits: f.hits, Misses: f.misses}
}
