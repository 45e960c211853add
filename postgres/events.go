package postgres

import (
	"context"
	"fmt"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/jackc/pgx/v5"

	"github.com/paybuf/paybuf/payment"
)

// eventColumns are what scanEvent reads, of eventSource. An order that conflicted
// before its own request was claimed has no row yet, and its number is with the
// conflict.
const eventColumns = `e.sequence, e.place, e.payment_id, e.tenant_id, e.version, e.type, e.state, coalesce(e.was, ''),
	coalesce(e.detail->>'code', ''), coalesce(e.detail->>'message', ''), e.at,
	coalesce(p.order_number, (SELECT c.order_number FROM conflicts c WHERE c.payment_id = e.payment_id LIMIT 1), ''),
	coalesce(p.retry_of, ''), p.amount_minor, p.currency, coalesce(p.customer, ''), coalesce(p.description, ''),
	coalesce(p.metadata, '{}'), p.accepted_at, p.not_before,
	coalesce(p.payer_reference, ''), coalesce(p.failure_code, ''), coalesce(p.failure_message, '')`

const eventSource = `events e LEFT JOIN payments p ON p.id = e.payment_id`

const eventsSQL = `
	SELECT ` + eventColumns + `
	  FROM ` + eventSource + `
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
		events, err = pgx.CollectRows(rows, scanEvent)
		return err
	})
	return events, err
}

// scanEvent reads eventColumns. Of what the payment's row tells an event has only
// what never changes any more.
func scanEvent(row pgx.CollectableRow) (payment.Event, error) {
	var e payment.Event
	var minor *int64
	var currency *string
	var metadata []byte
	var acceptedAt, notBefore *time.Time
	var reference string
	var failure payment.Failure // as the row has it
	r := &e.Request
	err := row.Scan(&e.Sequence, &e.Place, &e.PaymentID, &e.Tenant, &e.Version, &e.Type, &e.State, &e.Was,
		&e.Failure.Code, &e.Failure.Message, &e.At,
		&r.OrderNumber, &r.RetryOf, &minor, &currency, &r.Customer, &r.Description, &metadata, &acceptedAt, &notBefore,
		&reference, &failure.Code, &failure.Message)
	if err != nil {
		return e, unreadable(e.PaymentID, fmt.Errorf("an event: %w", err))
	}
	if minor != nil && currency != nil { // else it is bare
		if r.Money, err = payment.RestoreMoney(*minor, *currency); err != nil {
			return e, unreadable(e.PaymentID, err)
		}
	}
	if err := json.Unmarshal(metadata, &r.Metadata); err != nil {
		return e, unreadable(e.PaymentID, err)
	}
	r.ID, r.Tenant, r.AcceptedAt, r.NotBefore = e.PaymentID, e.Tenant, instant(acceptedAt), instant(notBefore)
	e.At = e.At.UTC()
	if e.State.Final() {
		e.PayerReference = reference
	}
	if e.State == payment.Failed && e.Failure == (payment.Failure{}) { // of before events told why
		e.Failure = failure
	}
	return e, nil
}
