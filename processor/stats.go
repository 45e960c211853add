package processor

import (
	"sync/atomic"

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

	InFlight    int  // gauge: taken on and not settled
	BreakerOpen bool // gauge: the payer is down, nothing is fetched
}

type counters struct {
	claimed, duplicates, conflicts, buried     atomic.Int64
	batches, scheduled, refused                atomic.Int64
	charges, lookups, mismatches, ledgerErrors atomic.Int64
	voids                                      atomic.Int64
	lateWrites, inFlight                       atomic.Int64
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
		InFlight:     int(c.inFlight.Load()),
		BreakerOpen:  p.breaker.circuit.IsOpen(),
	}
	for i, state := range payment.States() {
		stats.Outcomes[state] = c.outcomes[i].Load()
	}
	return stats
}
