package processortest

import (
	"context"
	"slices"
	"time"

	"github.com/paybuf/paybuf/payment"
)

// Lease is postgres.DB's: it takes over what is due, the longest due first.
func (l *Ledger) Lease(_ context.Context, limit int, lease time.Duration) ([]payment.Work, error) {
	if limit <= 0 {
		return nil, nil
	}
	if lease <= 0 {
		return nil, refused("a lease of %v ends before it begins", lease)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	at := l.Now()
	var due []*row
	for _, r := range l.claims {
		if !rests(r.State) && !r.NextAt.After(at) {
			due = append(due, r)
		}
	}
	slices.SortStableFunc(due, func(a, b *row) int { return a.NextAt.Compare(b.NextAt) })
	works := make([]payment.Work, 0, min(limit, len(due)))
	for _, r := range due[:min(limit, len(due))] {
		l.takeOver(r, at)
		r.LeasedAt = at
		if !l.Flaws.LeasesForNoTime {
			r.NextAt = at.Add(lease)
		}
		works = append(works, r.Work)
	}
	return works, nil
}

func (l *Ledger) takeOver(r *row, at time.Time) {
	switch r.State {
	case payment.Retrying, payment.Scheduled:
		r.Attempts++
		r.Attempt, r.Lookups, r.LastAttemptAt = r.Attempts, 0, at
		if r.FirstAttemptAt.IsZero() {
			r.FirstAttemptAt = at
		}
		l.move(r, payment.Paying, at)
	case payment.Paying: // its worker may have been heard, but no later than now
		if !l.Flaws.BlindTakeOver {
			r.LastAttemptAt = at
			l.move(r, payment.Unknown, at)
		} else {
			l.move(r, payment.Paying, at)
		}
	default:
		l.move(r, r.State, at)
	}
}

// Settle is postgres.DB's: it writes the outcomes whose fence holds and counts them.
func (l *Ledger) Settle(_ context.Context, outcomes []payment.Outcome) (int, error) {
	outcomes, err := sorted(outcomes, func(o payment.Outcome) payment.ID { return o.ID })
	if err != nil {
		return 0, err
	}
	for _, o := range outcomes {
		stays := o.From == o.To && !o.From.Final()
		if o.To == payment.Paying || (!stays && !o.From.MayBecome(o.To)) {
			return 0, refused("%s may not go from %s to %s", o.ID, o.From, o.To)
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	at, settled := l.Now(), 0
	for _, o := range outcomes {
		r := l.rows[o.ID]
		if r != nil && (l.Flaws.NoFence || r.Version == o.Version && r.State == o.From) {
			l.settle(r, o, at)
			settled++
		}
	}
	return settled, nil
}

func (l *Ledger) settle(r *row, o payment.Outcome, at time.Time) {
	if o.Answer.PayerReference != "" {
		r.PayerReference = o.Answer.PayerReference
	}
	r.Failure = o.Failure
	if o.From == payment.Unknown || o.From == payment.Pending {
		r.Lookups++
	}
	if o.From == payment.Paying {
		r.LastAttemptAt = at
	}
	r.NextAt = at.Add(max(0, o.NextIn))
	l.move(r, o.To, at)
}
