package parking

import (
	"context"
	"maps"
	"runtime/debug"
	"slices"
	"time"
)

// collectAfter is how many connections make it worth the while to collect what the
// server held for them, which the collector would let lie until much more is made: some
// 25 KB each. collectEvery is how often at most, and lieMax is how long what comes up
// besides may lie while so many are parked: they are looked at all the time.
const (
	collectAfter = 1000
	collectEvery = time.Second
	lieMax       = 5 * time.Second
)

// Run looks for clients that have left, until ctx ends: nobody reads from their
// connections, so nobody else would notice. It also gives memory back after many have
// been parked.
func (l *Lot) Run(ctx context.Context) {
	look, collect := time.NewTicker(l.cfg.LookEvery), time.NewTicker(collectEvery)
	defer look.Stop()
	defer collect.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-look.C:
			l.look()
		case <-collect.C:
			if l.isWorthCollecting(time.Now()) {
				debug.FreeOSMemory()
			}
		}
	}
}

func (l *Lot) look() {
	l.mu.Lock()
	parked := slices.Collect(maps.Keys(l.parked))
	l.mu.Unlock()
	for _, s := range parked {
		if hasLeft(s.conn) {
			l.giveUp(s)
		}
	}
}

// isWorthCollecting begins to count anew if it is.
func (l *Lot) isWorthCollecting(now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	lies := len(l.parked) >= collectAfter && now.Sub(l.collected) >= lieMax
	if l.since < collectAfter && !lies {
		return false
	}
	l.since, l.collected = 0, now
	return true
}
