package postgres

import (
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype/zeronull"

	"github.com/paybuf/paybuf/payment"
)

// eventColumns are what scanEvent reads of an event e and what eventPayment joins to
// it. An event says the same for ever, so of the payment there is only what was known
// then and never changes. The request was not known yet at version 0, which is before
// the payment's row, and at a cancellation without a body that has come since: nothing
// else moves the version of a payment that is canceled.
const eventColumns = `e.sequence, e.place, e.payment_id, e.tenant_id, e.version, e.type, e.state, e.was,
	coalesce(e.detail->>'code', CASE e.state WHEN 'failed' THEN p.failure_code END),
	coalesce(e.detail->>'message', CASE e.state WHEN 'failed' THEN p.failure_message END), e.at,
	coalesce(p.order_number, (SELECT c.order_number FROM conflicts c WHERE c.payment_id = e.payment_id LIMIT 1)),
	CASE WHEN e.state IN ('succeeded', 'failed', 'canceled') THEN p.payer_reference END,
	coalesce(p.fingerprint IS NOT NULL AND e.version > 0 AND NOT (e.state = 'canceled' AND p.version > e.version), false),
	p.retry_of, p.amount_minor, p.currency, p.customer, p.description, p.metadata,
	p.accepted_at, p.not_before`

// eventPayment is the payment that an event is about, which may have no row yet.
const eventPayment = ` LEFT JOIN payments p ON p.id = e.payment_id`

// scanEvent reads eventColumns with a row's Scan, and what comes after them. All may be
// NULL: a test has no event.
func scanEvent(scan func(...any) error, more ...any) (payment.Event, error) {
	var e payment.Event
	var known bool
	var request requestRow
	err := scan(append([]any{
		(*zeronull.Int8)(&e.Sequence), (*zeronull.Int8)(&e.Place), (*zeronull.Text)(&e.PaymentID),
		(*zeronull.Text)(&e.Tenant), (*zeronull.Int8)(&e.Version), (*zeronull.Text)(&e.Type),
		(*zeronull.Text)(&e.State), (*zeronull.Text)(&e.Was),
		(*zeronull.Text)(&e.Failure.Code), (*zeronull.Text)(&e.Failure.Message), (*zeronull.Timestamptz)(&e.At),
		(*zeronull.Text)(&e.Request.OrderNumber), (*zeronull.Text)(&e.PayerReference), &known,
		&request.retryOf, &request.minor, &request.currency, &request.customer, &request.description,
		&request.metadata, &request.acceptedAt, &request.notBefore,
	}, more...)...)
	if err != nil {
		return e, unreadable(e.PaymentID, err)
	}
	e.At = e.At.UTC()
	e.Request.ID, e.Request.Tenant = e.PaymentID, e.Tenant
	if known {
		err = request.fill(&e.Request)
	}
	return e, err
}

// collectEvent is scanEvent of rows that hold nothing else.
func collectEvent(row pgx.CollectableRow) (payment.Event, error) { return scanEvent(row.Scan) }
