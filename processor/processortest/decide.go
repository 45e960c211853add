package processortest

import (
	"context"
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
	case r == nil && c.Waiting != nil && (c.Waiting.ID == c.ID || c.Waiting.ID == c.First):
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

// canceled finds the row that a cancellation is about: by id, or the one payment of
// the order's chain that may still be charged, else the last that was more than
// refused.
func (l *Ledger) canceled(c payment.Cancellation) *row {
	if c.OrderNumber == "" {
		if r := l.rows[c.ID]; r != nil && r.Tenant == c.Tenant {
			return r
		}
		return nil
	}
	var chosen *row
	for next := l.orders[order{c.Tenant, c.OrderNumber, ""}]; next != nil; {
		if chosen == nil || rank(next) <= rank(chosen) {
			chosen = next
		}
		next = l.orders[order{c.Tenant, c.OrderNumber, next.ID}]
	}
	return chosen
}

// rank orders the links of a chain by what is left to cancel of them.
func rank(r *row) int {
	switch {
	case r.State != payment.Failed && r.State != payment.Canceled:
		return 0
	case r.Failure.Code != payment.FailurePredecessor:
		return 1
	}
	return 2
}

// Release is postgres.DB's: an operator's decision on a parked payment, in the
// version that was looked at. What is to be sent again begins anew at the payer, so
// the time of its first attempt is forgotten.
func (l *Ledger) Release(_ context.Context, release payment.Release) (payment.Payment, error) {
	if !payment.Parked.MayBecome(release.To) || (release.To == payment.Succeeded) != (release.PayerReference != "") {
		return payment.Payment{}, refused("a parked payment cannot become %s with the reference %q",
			release.To, release.PayerReference)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	r := l.rows[release.ID]
	if r == nil {
		return payment.Payment{}, &payment.Error{Code: payment.CodeNotFound, Detail: "there is no such payment"}
	}
	if !l.Flaws.ReleasesAnything && (r.State != payment.Parked || r.Version != release.Version) {
		return payment.Payment{}, &payment.Error{
			Code: payment.CodeNotReleasable, Detail: "the payment is " + string(r.State), PaymentID: r.ID,
		}
	}
	at := l.Now()
	r.Failure = payment.Failure{}
	switch release.To {
	case payment.Retrying:
		r.FirstAttemptAt = time.Time{}
	case payment.Failed:
		r.Failure = payment.Failure{Code: payment.FailureReleased, Message: release.Reason}
	default:
	}
	if release.PayerReference != "" {
		r.PayerReference = release.PayerReference
	}
	r.NextAt = at
	l.move(r, release.To, at)
	return l.read(r), nil
}
