package processor

import (
	"sync/atomic"
	"time"

	"github.com/paybuf/paybuf/payment"
)

// Stats counts since the start of the process, except for the gauges.
type Stats struct {
	Claimed      int64 // payments that became ours
	Scheduled    int64 // payments that became ours and are due later
	Refused      int64 // payments that failed since one before them might be charged
	Duplicates   int64 // repetitions that the ledger or the batch knew
	Conflicts    int64 // other bodies, put on record
	Batches      int64 // lists of batches that were kept, redeliveries included
	Buried       int64 // dead letters
	Charges      int64 // calls that may charge
	Lookups      int64 // questions
	Voids        int64 // calls that take back
	Mismatches   int64 // answers about another amount, currency or payment: alarm
	LateWrites   int64 // outcomes whose fence had moved on
	LedgerErrors int64
	Outcomes     map[payment.State]int64

	LeasesShort int64 // payments given back because their lease was about to end

	InFlight int // gauge: taken on and not settled
	PayerStats
}

// PayerStats are gauges: what is known of the payer now.
type PayerStats struct {
	BreakerState   string        // "closed", "open" or "half-open": calls go, pause, or one is tried
	BreakerOpen    bool          // nothing is fetched
	PausedFor      time.Duration // since the payer was taken for down; 0 if it is not
	NextProbeIn    time.Duration // until a call is tried again; 0 if calls go
	Limit          int           // calls that may run at once
	Places         int           // payments that may be taken on at once
	LatencyP50     time.Duration // of recent calls; 0 if there were too few
	LatencyP99     time.Duration
	CallsPerSecond float64 // that are allowed; 0 for any number
}

type counters struct {
	claimed, duplicates, conflicts, buried     atomic.Int64
	batches, scheduled, refused                atomic.Int64
	charges, lookups, mismatches, ledgerErrors atomic.Int64
	voids                                      atomic.Int64
	lateWrites, inFlight, leasesShort          atomic.Int64
	outcomes                                   [10]atomic.Int64 // by position in payment.States
}

func (c *counters) settle(batch []payment.Outcome, settled int) {
	c.lateWrites.Add(int64(len(batch) - settled))
	for _, outcome := range batch {
		for i, state := range payment.States() {
			if state == outcome.To {
				c.outcomes[i].Add(1)
			}
		}
	}
}

// Stats gives the counts so far.
func (p *Processor) Stats() Stats {
	c := &p.counts
	stats := Stats{
		Claimed:      c.claimed.Load(),
		Scheduled:    c.scheduled.Load(),
		Refused:      c.refused.Load(),
		Duplicates:   c.duplicates.Load(),
		Conflicts:    c.conflicts.Load(),
		Batches:      c.batches.Load(),
		Buried:       c.buried.Load(),
		Charges:      c.charges.Load(),
		Lookups:      c.lookups.Load(),
		Voids:        c.voids.Load(),
		Mismatches:   c.mismatches.Load(),
		LateWrites:   c.lateWrites.Load(),
		LedgerErrors: c.ledgerErrors.Load(),
		Outcomes:     map[payment.State]int64{},
		LeasesShort:  c.leasesShort.Load(),
		InFlight:     int(c.inFlight.Load()),
		PayerStats:   p.PayerStats(),
	}
	for i, state := range payment.States() {
		stats.Outcomes[state] = c.outcomes[i].Load()
	}
	return stats
}

// PayerStats gives what is known of the payer now.
func (p *Processor) PayerStats() PayerStats {
	circuit := p.breaker.circuit
	return PayerStats{
		BreakerState:   circuit.State().String(),
		BreakerOpen:    circuit.IsOpen(),
		PausedFor:      p.breaker.pausedFor(),
		NextProbeIn:    circuit.RemainingDelay(),
		Limit:          p.gate.limit(),
		Places:         p.roomFresh() + p.roomDue(),
		LatencyP50:     p.gate.latency.median(),
		LatencyP99:     p.gate.latency.slowest(),
		CallsPerSecond: p.cfg.PayerRate,
	}
}
