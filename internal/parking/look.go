package parking

import (
	"context"
	"maps"
	"runtime/debug"
	"slices"
	"time"
)

// collectAfter is how many connections make it worth the while to collect what the
// server held for them: some 25 KB each, which the collector would let lie for as long
// as little else is made.
const collectAfter = 1000

// Run looks for clients that have left, until ctx ends: nobody reads from their
// connections, so nobody else would notice. It also gives memory back after many have
// been parked.
func (l *Lot) Run(ctx context.Context) {
	ticker := time.NewTicker(l.cfg.LookEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			if l.look() >= collectAfter {
				l.collected()
				debug.FreeOSMemory()
			}
		}
	}
}

// look tells how many have been parked since the memory was given back.
func (l *Lot) look() (since int) {
	l.mu.Lock()
	parked := slices.Collect(maps.Keys(l.parked))
	since = l.since
	l.mu.Unlock()
	for _, s := range parked {
		if hasLeft(s.conn) {
			l.giveUp(s)
		}
	}
	return since
}

func (l *Lot) collected() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.since = 0
}
