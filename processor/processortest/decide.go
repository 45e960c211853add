package processortest

import (
	"context"
	"slices"
	"time"

	"github.com/paybuf/paybuf/payment"
)

// Cancel is postgres.DB's: the payment is never charged, or the error says why that
// cannot be promised any more.
func (l *Ledger) Cancel(_ context.Context, c payment.Cancellation) (payment.Payment, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	at := l.Now()
	r := l.canceled(c)
	switch {
	case r == nil && c.Waiting != nil:
		r = &row{fingerprint: c.Waiting.Fingerprint()}
		r.Request, r.State = *c.Waiting, payment.Canceled
		l.add(r, at)
	case r == nil && c.OrderNumber != "":
		r = &row{}
		r.ID, r.Tenant, r.OrderNumber, r.AcceptedAt = c.First, c.Tenant, c.OrderNumber, at
		r.State = payment.Canceled
		l.add(r, at)
	case r == nil:
		return payment.Payment{}, &payment.Error{Code: payment.CodeNotFound, Detail: "there is no such payment"}
	case r.State == payment.Canceled:
	case r.State == payment.Scheduled, r.State == payment.Retrying, l.Flaws.CancelsAnything:
		r.Failure = payment.Failure{}
		l.move(r, payment.Canceled, at)
	default:
		return payment.Payment{}, &payment.Error{
			Code: payment.CodeNotCancelable, Detail: "the payment is " + string(r.State), PaymentID: r.ID,
		}
	}
	return l.read(r), nil
}

// canceled finds the row that a cancellation is about: by id, or the last payment of
// the order's chain.
func (l *Ledger) canceled(c payment.Cancellation) *row {
	if c.OrderNumber == "" {
		if r := l.rows[c.ID]; r != nil && r.Tenant == c.Tenant {
			return r
		}
		return nil
	}
	last := l.orders[order{c.Tenant, c.OrderNumber, ""}]
	for last != nil {
		next := l.orders[order{c.Tenant, c.OrderNumber, last.ID}]
		if next == nil {
			break
		}
		last = next
	}
	return last
}

// released are the states that an operator may choose.
var released = []payment.State{
	payment.Retrying, payment.Unknown, payment.Succeeded, payment.Failed, payment.Canceled,
}

// Release is postgres.DB's: an operator's decision on a parked payment, in the
// version that was looked at. What is to be sent again begins anew at the payer, so
// the time of its first attempt is forgotten.
func (l *Ledger) Release(_ context.Context, release payment.Release) (payment.Payment, error) {
	if !slices.Contains(released, release.To) {
		return payment.Payment{}, refused("a parked payment cannot become %s", release.To)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	r := l.rows[release.ID]
	if r == nil {
		return payment.Payment{}, &payment.Error{Code: payment.CodeNotFound, Detail: "there is no such payment"}
	}
	if r.State != payment.Parked || r.Version != release.Version {
		return payment.Payment{}, &payment.Error{
			Code: payment.CodeNotReleasable, Detail: "the payment is " + string(r.State), PaymentID: r.ID,
		}
	}
	at := l.Now()
	if release.To == payment.Retrying {
		r.FirstAttemptAt = time.Time{}
	}
	if release.PayerReference != "" {
		r.PayerReference = release.PayerReference
	}
	r.NextAt = at
	l.move(r, release.To, at)
	return l.read(r), nil
}
