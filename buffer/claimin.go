package buffer

import (
	"time"

	"github.com/paybuf/paybuf/payment"
)

// ClaimIn estimates when a payment that waits will be claimed, between 1 s and a
// minute: from how much waits on its stream, how fast that drains, and for how long
// it has waited already.
func (b *Buffer) ClaimIn(id payment.ID, acceptedAt time.Time) time.Duration {
	return b.shardOf(id).gauge.claimIn(time.Since(acceptedAt))
}

func (g *gauge) claimIn(waited time.Duration) time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case g.stats.Backlog == 0: // what came since the last measurement is young
		return retryAfterMin
	case g.stats.DrainPerSecond < 1:
		// No estimate: what has not moved for long will probably not move at once. A
		// stream that was idle until now has not moved for a moment only.
		return bounded(min(g.stats.StalledFor, retryAfterMax/2).Seconds())
	}
	return bounded(float64(g.stats.Backlog)/g.stats.DrainPerSecond - waited.Seconds())
}
