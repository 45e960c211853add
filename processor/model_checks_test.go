package processor

import (
	"time"

	"github.com/paybuf/paybuf/payment"
)

// inspect holds the ledger against what it was after the write before, and against
// the payer's accounts. Every write is followed by it, under the same lock.
func (w *modelWorld) inspect() {
	for _, p := range w.ledger.Payments() {
		was, known := w.seen[p.ID]
		if !known {
			was.State = payment.Queued
		}
		if p.Version == was.Version && p.State == was.State {
			continue
		}
		switch {
		case p.Version <= was.Version:
			w.violate("%s went from version %d to %d", w.name(p.ID), was.Version, p.Version)
		case p.State == was.State && was.State.Final() && !was.Bare():
			w.violate("%s was %s and was written again", w.name(p.ID), was.State)
		case p.State != was.State && !was.State.MayBecome(p.State):
			w.violate("%s went from %s to %s", w.name(p.ID), was.State, p.State)
		}
		if p.State == payment.Parked && w.payer.traits == (payment.Traits{}) && !w.account(p.ID).doubtful && was.State == payment.Paying {
			w.violate("%s was parked and nothing is in doubt", w.name(p.ID))
		}
		if p.State != was.State {
			w.count(string(p.State))
			w.count(string(p.State) + " " + p.Failure.Code)
		}
		w.seen[p.ID] = p
	}
	w.checkMoney()
}

// checkMoney holds what was charged against the rows.
func (w *modelWorld) checkMoney() {
	now := time.Now()
	perOrder := make([]int, len(w.plan.Orders))
	for _, p := range w.ledger.Payments() {
		a := w.account(p.ID)
		a.decide(now)
		perOrder[a.order] += len(a.charges)
		w.checkCharges(p, a)
	}
	for order, charges := range perOrder {
		if charges > 1 {
			w.violate("order %d was charged %d times", order, charges)
		}
	}
}

func (w *modelWorld) checkCharges(p payment.Payment, a *account) {
	switch p.State {
	case payment.Succeeded:
		if len(a.charges) != 1 || a.charges[0].amount != p.Money {
			w.violate("%s of %v succeeded with the charges %+v", w.name(p.ID), p.Money, a.charges)
		}
	case payment.Failed, payment.Canceled, payment.Scheduled:
		if len(a.charges)+len(a.deciding) > 0 {
			w.violate("%s is %s with the charges %+v", w.name(p.ID), p.State, a.charges)
		}
	case payment.Retrying:
		// A process that froze with the key in hand may send it later, and the payer
		// knows the key then.
		if len(a.charges)+len(a.deciding) > 0 && !w.plan.freezes() {
			w.violate("%s may be sent again with the charges %+v", w.name(p.ID), a.charges)
		}
	case payment.Queued, payment.Paying, payment.Unknown, payment.Pending, payment.Parked:
	}
}

// checkKept is about a message that was acknowledged.
func (w *modelWorld) checkKept(d payment.Delivery) {
	row, known := w.ledger.Payment(d.Request.ID)
	switch {
	case w.ledger.Conflicted(d.Request):
		w.count("conflict")
	case d.Conflict:
		w.violate("another body for %s is not on record", w.name(d.Request.ID))
	case !known:
		w.violate("%s was acknowledged and has no row", w.name(d.Request.ID))
	case row.Bare() || row.Fingerprint() != d.Request.Fingerprint():
		w.violate("%s was acknowledged and its row has another body", w.name(d.Request.ID))
	}
}

// checkEnd is for when all is done.
func (w *modelWorld) checkEnd() {
	for _, m := range w.source.messages {
		if !m.acked {
			w.violate("%s still waits", w.name(m.delivery.Request.ID))
		}
		w.checkKept(m.delivery)
	}
	for _, p := range w.ledger.Payments() {
		if len(w.account(p.ID).charges) > 0 && p.State != payment.Succeeded && p.State != payment.Parked {
			w.violate("%s was charged and is %s", w.name(p.ID), p.State)
		}
	}
	for _, n := range w.past {
		stats := n.processor.Stats()
		if stats.InFlight != 0 {
			w.violate("%s ended with %d in flight", n.name, stats.InFlight)
		}
		w.counts["duplicate"] += int(stats.Duplicates)
		w.counts["open breaker"] += map[bool]int{true: 1}[stats.BreakerOpen]
	}
}
