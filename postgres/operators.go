package postgres

import (
	"context"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/paybuf/paybuf/payment"
)

const paymentForOperatorSQL = `SELECT ` + paymentColumns + ` FROM payments p WHERE p.id = $1`

// PaymentForOperator reads a payment of any tenant: for those who run the
// installation, never for a client. Its error has CodeNotFound if there is none.
func (db *DB) PaymentForOperator(ctx context.Context, id payment.ID) (payment.Payment, error) {
	return db.onePayment(ctx, paymentForOperatorSQL, id)
}

// The index of parked payments has them in this order; it is named by its condition.
const listParkedSQL = `
	SELECT ` + paymentColumns + `
	  FROM payments p
	 WHERE p.state = 'parked'
	 ORDER BY p.updated_at, p.id
	 LIMIT $1`

// Whatever else is open is due some time, and has an index by that.
const listOpenSQL = `
	SELECT ` + paymentColumns + `
	  FROM payments p
	 WHERE p.state = $2 AND p.next_at IS NOT NULL
	 ORDER BY p.updated_at, p.id
	 LIMIT $1`

// ListForOperator lists payments of all tenants in a state, at most limit, those
// first that have been so for the longest time. The error has CodeInvalid for final
// states, which are too many to look through, and for Queued, which has no rows.
func (db *DB) ListForOperator(ctx context.Context, state payment.State, limit int) ([]payment.Payment, error) {
	const doing = "list payments"
	limit = min(limit, BatchMax)
	switch state {
	case payment.Parked:
		return db.manyPayments(ctx, doing, listParkedSQL, limit)
	case payment.Scheduled, payment.Paying, payment.Retrying, payment.Unknown, payment.Pending:
		return db.manyPayments(ctx, doing, listOpenSQL, limit, state)
	case payment.Queued, payment.Succeeded, payment.Failed, payment.Canceled:
	}
	return nil, refused("payments that are %s are not listed; ask for them by their ids", state)
}

// The charge that is under way is on record in the payment's own row. Binaries of
// before made a row of attempts for it too.
const attemptsSQL = `
	SELECT payment_id, version, kind, number, started_at, ended_at, coalesce(verdict, ''),
	       payer_reference, http_status, request_id, excerpt
	  FROM attempts
	 WHERE payment_id = $1
	 UNION ALL
	SELECT p.id, p.version, 'charge', p.attempts, p.last_attempt_at, NULL, '', '', 0, '', ''
	  FROM payments p
	 WHERE p.id = $1 AND p.state = 'paying'
	   AND NOT EXISTS (SELECT FROM attempts a WHERE a.payment_id = p.id AND a.version = p.version)
	 ORDER BY version DESC
	 LIMIT $2`

// Attempts reads the last calls of the payer for a payment, at most limit, in the
// order in which they were made, with what the payer said. A charge that is under
// way has no end.
func (db *DB) Attempts(ctx context.Context, id payment.ID, limit int) ([]payment.Attempt, error) {
	var attempts []payment.Attempt
	err := db.call(ctx, "read attempts", func(ctx context.Context, q querier) error {
		rows, err := q.Query(ctx, attemptsSQL, id, min(limit, BatchMax))
		if err != nil {
			return err
		}
		attempts, err = pgx.CollectRows(rows, scanAttempt)
		return err
	})
	slices.Reverse(attempts)
	return attempts, err
}

func scanAttempt(row pgx.CollectableRow) (payment.Attempt, error) {
	var a payment.Attempt
	var endedAt *time.Time
	err := row.Scan(&a.PaymentID, &a.Version, &a.Kind, &a.Number, &a.StartedAt, &endedAt, &a.Verdict,
		&a.PayerReference, &a.Evidence.HTTPStatus, &a.Evidence.RequestID, &a.Evidence.Excerpt)
	a.StartedAt, a.EndedAt = a.StartedAt.UTC(), instant(endedAt)
	return a, err
}
