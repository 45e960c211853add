package postgres

import (
	"github.com/paybuf/paybuf/payment"
)

// A row that is canceled from its first version on. Whoever claims the order finds
// that it has one.
var tombstoneSQL = `
	WITH canceled AS (
		INSERT INTO payments AS p (id, tenant_id, order_number, retry_of, amount_minor, currency, payment_method,
		                      customer, description, metadata, fingerprint, accepted_at, not_before,
		                      state, version, attempts, created_at, updated_at)
		VALUES ($1, $2, $3, nullif($4::text, ''), $5::bigint, $6::text, $7::text,
		        $8, $9, $10::jsonb, $11::bytea, coalesce($12::timestamptz, now()), $13::timestamptz,
		        'canceled', 1, 0, now(), now())
		    ON CONFLICT DO NOTHING
		RETURNING ` + workColumns + `
	), ` + told(`SELECT id, tenant_id, version, 'payment.canceled', state, 'queued', NULL::jsonb, updated_at
		  FROM canceled`) + `
	SELECT ` + workColumns + ` FROM canceled p`

// tombstone gives the arguments of tombstoneSQL: the waiting request if it is the
// one with the id, else a bare row.
func tombstone(c payment.Cancellation, id payment.ID) ([]any, error) {
	r := c.Waiting
	if r == nil || r.ID != id {
		return []any{id, c.Tenant, c.OrderNumber, "", nil, nil, nil, "", "", "{}", nil, nil, nil}, nil
	}
	one, err := columnsOf([]payment.Request{*r})
	if err != nil {
		return nil, err
	}
	return []any{
		r.ID, r.Tenant, r.OrderNumber, r.RetryOf, one.amounts[0], one.currencies[0], r.PaymentMethod,
		r.Customer, r.Description, one.metadata[0], one.fingerprints[0], r.AcceptedAt, one.notBefores[0],
	}, nil
}
