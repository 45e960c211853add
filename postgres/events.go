package postgres

import (
	"context"
	"github.com/jackc/pgx/v5"

	"github.com/paybuf/paybuf/payment"
)

const eventsSQL = `
	SELECT ` + eventColumns + `
	  FROM events e` + eventPayment + `
	 WHERE e.payment_id = $1 AND e.tenant_id = $2 AND e.sequence > $3
	 ORDER BY e.sequence
	 LIMIT $4`

// Events reads events of a payment of the tenant in the order of their sequence: none
// if the payment has none yet, or is not the tenant's. That of a conflict may be
// committed after one with a higher sequence; those of changes come in their order,
// since the fence lets one writer at a time change a payment.
func (db *DB) Events(
	ctx context.Context, tenant payment.TenantID, id payment.ID, page payment.EventPage,
) ([]payment.Event, error) {
	return db.manyEvents(ctx, "read a payment's events", eventsSQL, id, tenant, page.After, min(page.Limit, BatchMax))
}

// manyEvents runs a statement that reads eventColumns.
func (db *DB) manyEvents(ctx context.Context, doing, sql string, args ...any) ([]payment.Event, error) {
	var events []payment.Event
	err := db.call(ctx, doing, func(ctx context.Context, q querier) error {
		rows, err := q.Query(ctx, sql, args...)
		if err != nil {
			return err
		}
		events, err = pgx.CollectRows(rows, collectEvent)
		return err
	})
	return events, err
}
