package postgres

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/paybuf/paybuf/internal/fault"
	"github.com/paybuf/paybuf/payment"
)

// cancelTriesMax limits how often a cancellation looks again after somebody else
// made the row that it was about to make. Once is enough: a row stays.
const cancelTriesMax = 3

// Cancel makes a payment one that is never charged, and gives it as it is then. A
// payment that is canceled already is given as it is.
//
// By id, a request that still waits becomes a row that is canceled, so that it is a
// duplicate when it is claimed; without a row and without a request the error has
// CodeNotFound. By order number it is about the one payment of the order that may
// still be charged, else about the last one that was ever more than refused. If the
// order has none, its first payment is canceled before it comes: all of its request
// if that waits, else bare.
//
// If the payer may have heard of the payment, or it is final, the error has
// CodeNotCancelable, the PaymentID, and a detail that says what comes next. Cancel
// and Claim of one order at the same moment: the order's unique key lets one of them
// make the row, and the other judges by it.
func (db *DB) Cancel(ctx context.Context, c payment.Cancellation) (payment.Payment, error) {
	if err := checkCancellation(c); err != nil {
		return payment.Payment{}, err
	}
	var canceled payment.Payment
	err := db.transact(ctx, "cancel a payment", func(ctx context.Context, q querier) error {
		for range cancelTriesMax {
			id, err := target(ctx, q, c)
			if err != nil {
				return err
			}
			var done bool
			canceled, done, err = cancelOne(ctx, q, c, id)
			if done {
				fault.At(fault.PostgresCanceling)
			}
			if done || err != nil {
				return err
			}
		}
		return refused("cancel: the order of %s has a payment with another id", c.ID+c.First)
	})
	if err == nil {
		fault.At(fault.PostgresCanceled)
		db.tellOne(canceled)
	}
	return canceled, err
}

func checkCancellation(c payment.Cancellation) error {
	switch {
	case (c.ID == "") == (c.OrderNumber == ""):
		return refused("cancel: either an id or an order number is needed")
	case c.OrderNumber != "" && c.First == "":
		return refused("cancel: the id of the order's first payment is needed")
	case c.Waiting == nil:
		return nil
	case c.Waiting.Tenant != c.Tenant || (c.ID != "" && c.Waiting.ID != c.ID) ||
		(c.OrderNumber != "" && c.Waiting.OrderNumber != c.OrderNumber):
		return refused("cancel: the waiting request is another one")
	}
	return nil
}

// The chain begins with the payment that tries none again; what is not on it was
// refused. Only one of its links can be neither failed nor canceled, because the
// next is not claimed before, and that is the one to cancel.
const targetSQL = `
	WITH RECURSIVE chain AS (
		SELECT id, state, failure_code, 0 AS links
		  FROM payments
		 WHERE tenant_id = $1 AND order_number = $2 AND retry_of IS NULL
		 UNION ALL
		SELECT p.id, p.state, p.failure_code, c.links + 1
		  FROM chain c
		  JOIN payments p ON p.tenant_id = $1 AND p.order_number = $2 AND p.retry_of = c.id
		 WHERE c.links < $3
	)
	SELECT id
	  FROM chain
	 ORDER BY state IN ('failed', 'canceled'), failure_code = $4, links DESC
	 LIMIT 1`

// target gives the id of the payment that a cancellation is about, whether it has a
// row or not.
func target(ctx context.Context, q querier, c payment.Cancellation) (payment.ID, error) {
	if c.ID != "" {
		return c.ID, nil
	}
	var id payment.ID
	err := q.QueryRow(ctx, targetSQL, c.Tenant, c.OrderNumber, ordersRowsMax, payment.FailurePredecessor).Scan(&id)
	if errors.Is(err, pgx.ErrNoRows) {
		return c.First, nil
	}
	return id, err
}

const lockPaymentSQL = `SELECT ` + workColumns + ` FROM payments p WHERE p.id = $1 AND p.tenant_id = $2 FOR UPDATE`

// cancelOne cancels the row of an id, or makes one that is canceled. done is false if
// somebody else made a row meanwhile.
func cancelOne(
	ctx context.Context, q querier, c payment.Cancellation, id payment.ID,
) (canceled payment.Payment, done bool, err error) {
	found, err := readWorks(ctx, q, lockPaymentSQL, id, c.Tenant)
	switch {
	case err != nil:
		return payment.Payment{}, false, err
	case len(found) > 0:
		canceled, err = cancelRow(ctx, q, found[0].Payment)
		return canceled, err == nil, err
	case c.Waiting == nil && c.ID != "":
		return payment.Payment{}, false, errNoPayment()
	}
	arguments, err := tombstone(c, id)
	if err != nil {
		return payment.Payment{}, false, err
	}
	found, err = readWorks(ctx, q, tombstoneSQL, arguments...)
	if err != nil || len(found) == 0 {
		return payment.Payment{}, false, err
	}
	return found[0].Payment, true, nil
}

var cancelSQL = `
	WITH canceled AS (
		UPDATE payments p
		   SET state = 'canceled', version = p.version + 1, failure_code = '', failure_message = '',
		       next_at = NULL, updated_at = now()
		 WHERE p.id = $1 AND p.tenant_id = $2 AND p.version = $3
		RETURNING ` + workColumns + `
	), ` + told(`SELECT id, tenant_id, version, 'payment.canceled', state, $4, NULL::jsonb, updated_at
		  FROM canceled`) + `
	SELECT ` + workColumns + ` FROM canceled p`

// cancelRow cancels a payment whose row is locked.
func cancelRow(ctx context.Context, q querier, p payment.Payment) (payment.Payment, error) {
	if p.State == payment.Canceled {
		return p, nil
	}
	if !p.State.MayBecome(payment.Canceled) || p.State == payment.Parked {
		return payment.Payment{}, &payment.Error{
			Code: payment.CodeNotCancelable, Detail: whyNotCancelable(p.State), PaymentID: p.ID,
		}
	}
	canceled, err := readWorks(ctx, q, cancelSQL, p.ID, p.Tenant, p.Version, string(p.State))
	if err == nil && len(canceled) != 1 {
		err = fmt.Errorf("payment %s changed under its lock", p.ID)
	}
	if err != nil {
		return payment.Payment{}, err
	}
	return canceled[0].Payment, nil
}

// whyNotCancelable is for the tenant: what is known of the money, and what to do.
func whyNotCancelable(state payment.State) string {
	switch state {
	case payment.Paying:
		return "the payer may have been called; its outcome will be in the payment's state soon"
	case payment.Unknown:
		return "the payer was called and its answer was lost; it is being asked, and its outcome will be in the payment's state"
	case payment.Pending:
		return "the payer has accepted the payment and decides later; its outcome will be in the payment's state"
	case payment.Parked:
		return "the payer may have charged it, which a person has to find out; the outcome will be in the payment's state"
	case payment.Succeeded:
		return "the payment was charged; only the payer can give the money back"
	case payment.Failed:
		return "the payment has failed: it was not charged and never will be"
	case payment.Queued, payment.Scheduled, payment.Retrying, payment.Canceled: // these are canceled
	}
	return "the payment cannot be canceled any more"
}
