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
// 25 KB each. collectEvery is how often at most.
const (
	collectAfter = 1000
	collectEvery = time.Second
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
			if l.isWorthCollecting() {
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
func (l *Lot) isWorthCollecting() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.since < collectAfter {
		return false
	}
	l.since = 0
	return true
}
