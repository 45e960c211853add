package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/jackc/pgx/v5"

	"github.com/paybuf/paybuf/payment"
)

// ordersRowsMax limits the payments of one order number: the first and those that
// tried it again.
const ordersRowsMax = 1000

// workColumns are the columns of payments that scanWork reads, in its order.
const workColumns = `p.id, p.tenant_id, p.order_number, p.retry_of, p.amount_minor, p.currency,
	p.payment_method, p.customer, p.description, p.metadata, p.accepted_at,
	p.state, p.version, p.payer_reference, p.failure_code, p.failure_message,
	p.attempts, p.lookups, p.first_attempt_at, p.last_attempt_at, p.next_at, p.updated_at`

const paymentSQL = `SELECT ` + workColumns + ` FROM payments p WHERE p.id = $1 AND p.tenant_id = $2`

// Payment reads a payment of the tenant. Its error has CodeNotFound if the tenant
// has no such payment, whether or not another has.
func (db *DB) Payment(ctx context.Context, tenant payment.TenantID, id payment.ID) (payment.Payment, error) {
	var work payment.Work
	err := db.call(ctx, "read a payment", func(ctx context.Context, q querier) error {
		rows, err := q.Query(ctx, paymentSQL, id, tenant)
		if err != nil {
			return err
		}
		work, err = pgx.CollectExactlyOneRow(rows, scanWork)
		if errors.Is(err, pgx.ErrNoRows) {
			return &payment.Error{Code: payment.CodeNotFound, Detail: "there is no such payment"}
		}
		return err
	})
	return work.Payment, err
}

const paymentsByOrderSQL = `
	SELECT ` + workColumns + `
	  FROM payments p
	 WHERE p.tenant_id = $1 AND p.order_number = $2
	 ORDER BY p.created_at, p.id
	 LIMIT $3`

// PaymentsByOrder reads the tenant's payments of an order number, oldest first:
// none, one, or a chain of which each tries its predecessor again.
func (db *DB) PaymentsByOrder(
	ctx context.Context, tenant payment.TenantID, orderNumber string,
) ([]payment.Payment, error) {
	var payments []payment.Payment
	err := db.call(ctx, "read an order's payments", func(ctx context.Context, q querier) error {
		rows, err := q.Query(ctx, paymentsByOrderSQL, tenant, orderNumber, ordersRowsMax)
		if err != nil {
			return err
		}
		payments, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (payment.Payment, error) {
			work, err := scanWork(row)
			return work.Payment, err
		})
		return err
	})
	return payments, err
}

// scanWork reads workColumns.
func scanWork(row pgx.CollectableRow) (payment.Work, error) {
	var w payment.Work
	var retryOf *payment.ID
	var minor int64
	var currency string
	var metadata []byte
	var firstAttemptAt, lastAttemptAt, nextAt *time.Time
	err := row.Scan(&w.ID, &w.Tenant, &w.OrderNumber, &retryOf, &minor, &currency,
		&w.PaymentMethod, &w.Customer, &w.Description, &metadata, &w.AcceptedAt,
		&w.State, &w.Version, &w.PayerReference, &w.Failure.Code, &w.Failure.Message,
		&w.Attempts, &w.Lookups, &firstAttemptAt, &lastAttemptAt, &nextAt, &w.UpdatedAt)
	if err != nil {
		return w, unreadable(w.ID, err)
	}
	if retryOf != nil {
		w.RetryOf = *retryOf
	}
	if w.Money, err = payment.RestoreMoney(minor, currency); err != nil {
		return w, unreadable(w.ID, err)
	}
	if err := json.Unmarshal(metadata, &w.Metadata); err != nil {
		return w, unreadable(w.ID, err)
	}
	w.AcceptedAt, w.UpdatedAt, w.LeasedAt = w.AcceptedAt.UTC(), w.UpdatedAt.UTC(), w.UpdatedAt.UTC()
	w.FirstAttemptAt, w.LastAttemptAt, w.NextAt = instant(firstAttemptAt), instant(lastAttemptAt), instant(nextAt)
	w.Attempt = w.Attempts
	return w, nil
}

// unreadable is the error for a row that we cannot have written.
func unreadable(id payment.ID, err error) error {
	return &payment.Error{
		Code: payment.CodeInternal, Detail: "internal error", Cause: fmt.Errorf("read payment %s: %w", id, err),
	}
}

// instant reads a time that may be missing.
func instant(at *time.Time) time.Time {
	if at == nil {
		return time.Time{}
	}
	return at.UTC()
}
