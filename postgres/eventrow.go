package postgres

import (
	"github.com/jackc/pgx/v5"

	"github.com/paybuf/paybuf/payment"
)

// eventColumns are what scanEvent reads of events e, left joined with payments p by
// the id. An event says the same for ever, so of the payment there is only what was
// known then and never changes. The request was not known yet at version 0, which is
// before the payment's row, and at a cancellation without a body that has come since:
// nothing else moves the version of a payment that is canceled.
const eventColumns = `e.sequence, e.place, e.payment_id, e.tenant_id, e.version, e.type, e.state, coalesce(e.was, ''),
	coalesce(e.detail->>'code', CASE e.state WHEN 'failed' THEN p.failure_code END, ''),
	coalesce(e.detail->>'message', CASE e.state WHEN 'failed' THEN p.failure_message END, ''), e.at,
	coalesce(p.order_number, (SELECT c.order_number FROM conflicts c WHERE c.payment_id = e.payment_id LIMIT 1), ''),
	CASE WHEN e.state IN ('succeeded', 'failed', 'canceled') THEN coalesce(p.payer_reference, '') ELSE '' END,
	p.fingerprint IS NOT NULL AND e.version > 0 AND NOT (e.state = 'canceled' AND p.version > e.version),
	p.retry_of, p.amount_minor, p.currency, p.payment_method, p.customer, p.description, p.metadata,
	p.accepted_at, p.not_before`

// scanEvent reads eventColumns and what comes after them.
func scanEvent(row pgx.CollectableRow, more ...any) (payment.Event, error) {
	var e payment.Event
	var known bool
	var request requestRow
	err := row.Scan(append([]any{
		&e.Sequence, &e.Place, &e.PaymentID, &e.Tenant, &e.Version, &e.Type, &e.State, &e.Was,
		&e.Failure.Code, &e.Failure.Message, &e.At, &e.Request.OrderNumber, &e.PayerReference, &known,
		&request.retryOf, &request.minor, &request.currency, &request.method, &request.customer, &request.description,
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
