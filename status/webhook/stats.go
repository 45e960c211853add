package webhook

import (
	"sync/atomic"
	"time"

	"github.com/paybuf/paybuf/payment"
)

// Stats counts since the start of the process, except for the gauges.
type Stats struct {
	Attempts     map[Result]int64
	Dead         int64 // deliveries whose last try has failed
	OutboxErrors int64

	InFlight int // gauge: requests under way
	Held     int // gauge: endpoints
	Open     int // gauge: of them, those taken for down, which only get probes
	Paused   int // gauge: of them, those that are not sent to now
	Unopened int // gauge: of them, those whose secrets cannot be opened
	Queued   int // gauge: deliveries fetched ahead
	Results  int // gauge: results that are not written
}

type counters struct {
	attempts     [9]atomic.Int64 // by position in Results
	dead         atomic.Int64
	outboxErrors atomic.Int64
	unopened     atomic.Int64
}

func (c *counters) attempt(result Result, resolved payment.DeliveryResult) {
	for i, known := range Results() {
		if known == result {
			c.attempts[i].Add(1)
		}
	}
	if resolved.Reason == payment.DeadExhausted {
		c.dead.Add(1)
	}
}

// Stats gives the counts so far.
func (s *Sender) Stats() Stats {
	stats := Stats{
		Attempts: map[Result]int64{}, Dead: s.counts.dead.Load(), OutboxErrors: s.counts.outboxErrors.Load(),
		Unopened: int(s.counts.unopened.Load()),
	}
	for i, result := range Results() {
		stats.Attempts[result] = s.counts.attempts[i].Load()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	stats.InFlight, stats.Queued = s.roster.inFlight, s.roster.queued
	stats.Results = len(s.roster.results) + s.roster.writing
	s.roster.count(&stats, time.Now())
	return stats
}

func (r *roster) count(stats *Stats, now time.Time) {
	for _, c := range r.consumers {
		if !c.held {
			continue
		}
		stats.Held++
		if c.open {
			stats.Open++
		}
		if now.Before(c.resumeAt) {
			stats.Paused++
		}
	}
}
