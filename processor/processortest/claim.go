package processortest

import (
	"context"
	"time"

	"github.com/paybuf/paybuf/payment"
)

// Claim is postgres.DB's: each request that is new becomes a payment that is paid
// now, later (Scheduled) or never (Refused); the others are classed.
func (l *Ledger) Claim(
	_ context.Context, requests, conflicts []payment.Request, lease time.Duration,
) (payment.Claimed, error) {
	requests, err := sorted(requests, func(r payment.Request) payment.ID { return r.ID })
	if err != nil {
		return payment.Claimed{}, err
	}
	if lease <= 0 {
		return payment.Claimed{}, refused("a lease of %v ends before it begins", lease)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	at := l.Now()
	claimed := payment.Claimed{Conflicts: len(conflicts)}
	for _, request := range requests {
		if known := l.orders[orderOf(request)]; known != nil {
			l.class(&claimed, known, request, at, lease)
		} else {
			l.claim(&claimed, request, at, lease)
		}
	}
	for _, request := range conflicts {
		l.record(request.ID, request, at)
	}
	return claimed, nil
}

func (l *Ledger) claim(claimed *payment.Claimed, request payment.Request, at time.Time, lease time.Duration) {
	r := &row{fingerprint: request.Fingerprint()}
	r.Request = request
	switch {
	case !l.Flaws.NoChain && !l.predecessorsFailed(request):
		r.State = payment.Failed
		r.Failure = payment.Failure{Code: payment.FailurePredecessor}
		claimed.Refused++
	case !l.Flaws.NoSchedule && request.NotBefore.After(at):
		r.State, r.NextAt = payment.Scheduled, request.NotBefore
		claimed.Scheduled++
	default:
		r.State, r.NextAt = payment.Paying, at.Add(lease)
		r.Attempts, r.Attempt = 1, 1
		r.FirstAttemptAt, r.LastAttemptAt, r.LeasedAt = at, at, at
	}
	l.add(r, at)
	if r.State == payment.Paying {
		claimed.Works = append(claimed.Works, r.Work)
	}
}

// predecessorsFailed tells that nothing before a request can be charged: each
// earlier payment of its chain is there, is of the same order, and has come to an
// end without a charge. One that was refused proves nothing of its own predecessor,
// so the chain is followed to its first.
func (l *Ledger) predecessorsFailed(request payment.Request) bool {
	for request.RetryOf != "" {
		before := l.rows[request.RetryOf]
		if before == nil || before.Tenant != request.Tenant || before.OrderNumber != request.OrderNumber {
			return false
		}
		if before.State != payment.Failed && before.State != payment.Canceled {
			return false
		}
		request = before.Request
	}
	return true
}

// class tells a repetition from another body. Of a payment that was canceled before
// it came, the first body fills in what was not known.
func (l *Ledger) class(
	claimed *payment.Claimed, known *row, request payment.Request, at time.Time, lease time.Duration,
) {
	switch {
	case l.Flaws.NoUnique, l.Flaws.ForgetsTombstones && known.State == payment.Canceled:
		l.move(known, payment.Paying, at)
		known.Request, known.NextAt, known.LeasedAt = request, at.Add(lease), at
		known.FirstAttemptAt, known.LastAttemptAt, known.Attempts, known.Attempt = at, at, 1, 1
		claimed.Works = append(claimed.Works, known.Work)
	case known.Bare():
		known.Request, known.fingerprint = request, request.Fingerprint()
		l.move(known, known.State, at)
		claimed.Duplicates++
	case known.fingerprint == request.Fingerprint():
		claimed.Duplicates++
	default:
		l.record(known.ID, request, at)
		claimed.Conflicts++
	}
}

// record keeps another body once. It may come before its order's own row.
func (l *Ledger) record(id payment.ID, request payment.Request, at time.Time) {
	key := conflict{id, request.Fingerprint()}
	if l.conflicts[key] {
		return
	}
	l.conflicts[key] = true
	event := payment.Event{
		Sequence: int64(len(l.events) + 1), PaymentID: id, Tenant: request.Tenant,
		Type: payment.EventConflict, State: payment.Queued, At: at,
	}
	if r := l.rows[id]; r != nil {
		event.Version, event.State = r.Version, r.State
	}
	l.events = append(l.events, event)
}

// KeepBatches keeps each list once.
func (l *Ledger) KeepBatches(_ context.Context, batches []payment.Batch) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, batch := range batches {
		if _, kept := l.batches[batch.ID]; !kept {
			l.batches[batch.ID] = batch
		}
	}
	return nil
}

// Bury keeps dead letters.
func (l *Ledger) Bury(_ context.Context, letters []payment.DeadLetter) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.letters = append(l.letters, letters...)
	return nil
}
