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
	p.payment_method, p.customer, p.description, p.metadata, p.accepted_at, p.not_before,
	p.state, p.version, p.payer_reference, p.failure_code, p.failure_message,
	p.attempts, p.lookups, p.first_attempt_at, p.last_attempt_at, p.next_at, p.updated_at`

// paymentColumns are what scanPayment reads: workColumns, and who tries the payment
// again, which the constraint's index knows.
const paymentColumns = workColumns + `, (SELECT s.id FROM payments s
	WHERE s.tenant_id = p.tenant_id AND s.order_number = p.order_number AND s.retry_of = p.id)`

const paymentSQL = `SELECT ` + paymentColumns + ` FROM payments p WHERE p.id = $1 AND p.tenant_id = $2`

// Payment reads a payment of the tenant. Its error has CodeNotFound if the tenant
// has no such payment, whether or not another has.
func (db *DB) Payment(ctx context.Context, tenant payment.TenantID, id payment.ID) (payment.Payment, error) {
	return db.onePayment(ctx, paymentSQL, id, tenant)
}

// onePayment runs a statement that reads a payment.
func (db *DB) onePayment(ctx context.Context, sql string, args ...any) (payment.Payment, error) {
	var found payment.Payment
	err := db.call(ctx, "read a payment", func(ctx context.Context, q querier) error {
		rows, err := q.Query(ctx, sql, args...)
		if err != nil {
			return err
		}
		found, err = pgx.CollectExactlyOneRow(rows, scanPayment)
		if errors.Is(err, pgx.ErrNoRows) {
			return errNoPayment()
		}
		return err
	})
	return found, err
}

const paymentsByIDSQL = `SELECT ` + paymentColumns + ` FROM payments p WHERE p.id = ANY ($1::text[])`

// PaymentsByID reads those of ids that are payments, of whichever tenants and in no
// order: whoever shows them sees to it that each tenant gets its own.
func (db *DB) PaymentsByID(ctx context.Context, ids []payment.ID) ([]payment.Payment, error) {
	if n := len(ids); n > BatchMax {
		return nil, refused("read payments: %d ids, at most %d are allowed", n, BatchMax)
	}
	return db.manyPayments(ctx, "read payments by their ids", paymentsByIDSQL, ids)
}

const paymentsOfSQL = `
	SELECT ` + paymentColumns + `, r.position - 1
	  FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS r (id, tenant_id, position)
	  JOIN payments p ON p.id = r.id AND p.tenant_id = r.tenant_id`

// PaymentsOf reads many payments, each of its own tenant, as Payment does one. found
// has their order, and nil for each that is none of its tenant's.
func (db *DB) PaymentsOf(
	ctx context.Context, tenants []payment.TenantID, ids []payment.ID,
) (found []*payment.Payment, err error) {
	if n := len(ids); n > BatchMax || n != len(tenants) {
		return nil, refused("read payments: %d ids of %d tenants, at most %d are allowed", n, len(tenants), BatchMax)
	}
	found = make([]*payment.Payment, len(ids))
	err = db.call(ctx, "read payments of tenants", func(ctx context.Context, q querier) error {
		rows, err := q.Query(ctx, paymentsOfSQL, ids, tenants)
		if err != nil {
			return err
		}
		_, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (struct{}, error) {
			var position int
			p, err := scanPaymentAnd(row, &position)
			found[position] = &p
			return struct{}{}, err
		})
		return err
	})
	return found, err
}

func errNoPayment() error {
	return &payment.Error{Code: payment.CodeNotFound, Detail: "there is no such payment"}
}

const paymentsByOrderSQL = `
	SELECT ` + paymentColumns + `
	  FROM payments p
	 WHERE p.tenant_id = $1 AND p.order_number = $2
	 ORDER BY p.created_at, p.id
	 LIMIT $3`

// PaymentsByOrder reads the tenant's payments of an order number, oldest first:
// none, one, or a chain of which each tries its predecessor again.
func (db *DB) PaymentsByOrder(
	ctx context.Context, tenant payment.TenantID, orderNumber string,
) ([]payment.Payment, error) {
	return db.manyPayments(ctx, "read an order's payments", paymentsByOrderSQL, tenant, orderNumber, ordersRowsMax)
}

// manyPayments runs a statement that reads payments.
func (db *DB) manyPayments(ctx context.Context, doing, sql string, args ...any) ([]payment.Payment, error) {
	var payments []payment.Payment
	err := db.call(ctx, doing, func(ctx context.Context, q querier) error {
		rows, err := q.Query(ctx, sql, args...)
		if err != nil {
			return err
		}
		payments, err = pgx.CollectRows(rows, scanPayment)
		return err
	})
	return payments, err
}

// readWorks runs a statement that gives works.
func readWorks(ctx context.Context, q querier, sql string, args ...any) ([]payment.Work, error) {
	rows, err := q.Query(ctx, sql, args...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, scanWork)
}

// scanPayment reads paymentColumns.
func scanPayment(row pgx.CollectableRow) (payment.Payment, error) { return scanPaymentAnd(row) }

// scanPaymentAnd reads paymentColumns and what comes after them.
func scanPaymentAnd(row pgx.CollectableRow, more ...any) (payment.Payment, error) {
	var retriedBy *payment.ID
	work, err := scanColumns(row, append([]any{&retriedBy}, more...)...)
	if retriedBy != nil {
		work.RetriedBy = *retriedBy
	}
	return work.Payment, err
}

// scanWork reads workColumns.
func scanWork(row pgx.CollectableRow) (payment.Work, error) { return scanColumns(row) }

// scanColumns reads workColumns and what comes after them.
func scanColumns(row pgx.CollectableRow, more ...any) (payment.Work, error) {
	var w payment.Work
	var retryOf *payment.ID
	var minor *int64
	var currency, method *string
	var metadata []byte
	var notBefore, firstAttemptAt, lastAttemptAt, nextAt *time.Time
	err := row.Scan(append([]any{
		&w.ID, &w.Tenant, &w.OrderNumber, &retryOf, &minor, &currency,
		&method, &w.Customer, &w.Description, &metadata, &w.AcceptedAt, &notBefore,
		&w.State, &w.Version, &w.PayerReference, &w.Failure.Code, &w.Failure.Message,
		&w.Attempts, &w.Lookups, &firstAttemptAt, &lastAttemptAt, &nextAt, &w.UpdatedAt,
	}, more...)...)
	if err != nil {
		return w, unreadable(w.ID, err)
	}
	if retryOf != nil {
		w.RetryOf = *retryOf
	}
	if minor != nil && currency != nil && method != nil { // else it is bare
		w.PaymentMethod = *method
		if w.Money, err = payment.RestoreMoney(*minor, *currency); err != nil {
			return w, unreadable(w.ID, err)
		}
	}
	if err := json.Unmarshal(metadata, &w.Metadata); err != nil {
		return w, unreadable(w.ID, err)
	}
	w.AcceptedAt, w.UpdatedAt, w.LeasedAt = w.AcceptedAt.UTC(), w.UpdatedAt.UTC(), w.UpdatedAt.UTC()
	w.NotBefore, w.NextAt = instant(notBefore), instant(nextAt)
	w.FirstAttemptAt, w.LastAttemptAt = instant(firstAttemptAt), instant(lastAttemptAt)
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
