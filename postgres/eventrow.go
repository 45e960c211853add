package postgres

import (
	"github.com/go-json-experiment/json"
	"github.com/jackc/pgx/v5/pgtype/zeronull"

	"github.com/paybuf/paybuf/payment"
)

// eventColumns are what scanEvent reads, in its order, of an event e and what
// eventPayment joins to it. A request that came after its order was canceled was not
// there when the event was written, and the event does not show it later either.
const eventColumns = `e.sequence, e.place, e.payment_id, e.tenant_id, e.version, e.type, e.state, e.was,
	e.detail->>'code', e.detail->>'message', e.at,
	p.order_number, p.retry_of, p.fingerprint IS NULL OR (e.state = 'canceled' AND p.version > e.version),
	p.amount_minor, p.currency, p.payment_method, p.customer, p.description, p.metadata, p.accepted_at, p.not_before,
	CASE WHEN e.state IN ('succeeded', 'failed', 'canceled') THEN p.payer_reference END`

// eventPayment is the payment that an event is about. One of version 0 is a conflict
// that came before it.
const eventPayment = ` LEFT JOIN payments p ON p.id = e.payment_id AND e.version > 0`

// eventRow is where a row's eventColumns go. All may be NULL: a test has no event.
type eventRow struct {
	event    payment.Event
	bare     *bool
	minor    zeronull.Int8
	currency zeronull.Text
	metadata []byte
}

func (r *eventRow) targets() []any {
	e := &r.event
	return []any{
		(*zeronull.Int8)(&e.Sequence), (*zeronull.Int8)(&e.Place), (*zeronull.Text)(&e.PaymentID),
		(*zeronull.Text)(&e.Tenant), (*zeronull.Int8)(&e.Version), (*zeronull.Text)(&e.Type),
		(*zeronull.Text)(&e.State), (*zeronull.Text)(&e.Was),
		(*zeronull.Text)(&e.Failure.Code), (*zeronull.Text)(&e.Failure.Message), (*zeronull.Timestamptz)(&e.At),
		(*zeronull.Text)(&e.Request.OrderNumber), (*zeronull.Text)(&e.Request.RetryOf), &r.bare,
		&r.minor, &r.currency, (*zeronull.Text)(&e.Request.PaymentMethod), (*zeronull.Text)(&e.Request.Customer),
		(*zeronull.Text)(&e.Request.Description), &r.metadata,
		(*zeronull.Timestamptz)(&e.Request.AcceptedAt), (*zeronull.Timestamptz)(&e.Request.NotBefore),
		(*zeronull.Text)(&e.PayerReference),
	}
}

// scanEvent reads eventColumns with a row's Scan, and what comes after them.
func scanEvent(scan func(...any) error, more ...any) (payment.Event, error) {
	var row eventRow
	if err := scan(append(row.targets(), more...)...); err != nil {
		return payment.Event{}, unreadable(row.event.PaymentID, err)
	}
	e := row.event
	e.At = e.At.UTC()
	e.Request.ID, e.Request.Tenant = e.PaymentID, e.Tenant
	if row.bare == nil || *row.bare {
		e.Request = payment.Request{
			ID: e.PaymentID, Tenant: e.Tenant, OrderNumber: e.Request.OrderNumber, RetryOf: e.Request.RetryOf,
		}
		return e, nil
	}
	var err error
	if e.Request.Money, err = payment.RestoreMoney(int64(row.minor), string(row.currency)); err != nil {
		return e, unreadable(e.PaymentID, err)
	}
	if err := json.Unmarshal(row.metadata, &e.Request.Metadata); err != nil {
		return e, unreadable(e.PaymentID, err)
	}
	e.Request.AcceptedAt, e.Request.NotBefore = e.Request.AcceptedAt.UTC(), e.Request.NotBefore.UTC()
	return e, nil
}
