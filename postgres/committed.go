package postgres

import "github.com/paybuf/paybuf/payment"

// tell hands what a commit has changed to whoever is told of it. of is only asked if
// there is somebody.
func (db *DB) tell(of func() []payment.Change) {
	if db.cfg.Committed == nil {
		return
	}
	if changes := of(); len(changes) > 0 {
		db.cfg.Committed(changes)
	}
}

// tellClaimed tells of the requests that became rows: all but rest, which is in their
// order.
func (db *DB) tellClaimed(requests, rest []payment.Request) {
	db.tell(func() []payment.Change {
		changes := make([]payment.Change, 0, len(requests)-len(rest))
		for _, r := range requests {
			if len(rest) > 0 && rest[0].ID == r.ID {
				rest = rest[1:]
				continue
			}
			changes = append(changes, payment.Change{ID: r.ID, Tenant: r.Tenant, Version: 1, RetryOf: r.RetryOf})
		}
		return changes
	})
}

func (db *DB) tellLeased(works []payment.Work) {
	db.tell(func() []payment.Change {
		changes := make([]payment.Change, len(works))
		for i := range works {
			changes[i] = payment.Change{ID: works[i].ID, Tenant: works[i].Tenant, Version: works[i].Version}
		}
		return changes
	})
}

// tellSettled tells of all outcomes: which of them came too late the statement does
// not say, and a hint too many costs a reader one look.
func (db *DB) tellSettled(outcomes []payment.Outcome) {
	db.tell(func() []payment.Change {
		changes := make([]payment.Change, len(outcomes))
		for i := range outcomes {
			changes[i] = payment.Change{ID: outcomes[i].ID, Tenant: outcomes[i].Tenant, Version: outcomes[i].Version + 1}
		}
		return changes
	})
}

// tellOne tells of a payment that may be a new row.
func (db *DB) tellOne(p payment.Payment) {
	db.tell(func() []payment.Change {
		return []payment.Change{{ID: p.ID, Tenant: p.Tenant, Version: p.Version, RetryOf: p.RetryOf}}
	})
}
