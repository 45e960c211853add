package postgres

import (
	"context"

	"github.com/paybuf/paybuf/payment"
)

// bare tells that the row is of an order that was canceled before it came.
func (e existing) bare() bool { return e.fingerprint == nil }

// Of several bodies the first to lock the row has it: for the others the row is no
// longer bare when they have waited. The state stays what it is, so there is no
// event.
const fillBareSQL = `
	WITH held AS (
		SELECT p.id, r.amount_minor, r.currency, r.payment_method, r.customer, r.description, r.metadata,
		       r.fingerprint, r.accepted_at, r.not_before
		  FROM unnest($1::text[], $2::text[], $3::bigint[], $4::text[], $5::text[], $6::text[],
		              $7::text[], $8::text[], $9::bytea[], $10::timestamptz[], $11::timestamptz[])
		       AS r (id, tenant_id, amount_minor, currency, payment_method, customer,
		             description, metadata, fingerprint, accepted_at, not_before)
		  JOIN payments p ON p.id = r.id AND p.tenant_id = r.tenant_id AND p.fingerprint IS NULL
		 ORDER BY p.id
		   FOR UPDATE OF p
	)
	UPDATE payments p
	   SET amount_minor = h.amount_minor, currency = h.currency, payment_method = h.payment_method,
	       customer = h.customer, description = h.description, metadata = h.metadata::jsonb,
	       fingerprint = h.fingerprint, accepted_at = h.accepted_at, not_before = h.not_before,
	       version = p.version + 1, updated_at = now()
	  FROM held h
	 WHERE p.id = h.id AND p.fingerprint IS NULL`

// fillBare gives the bare rows among those of the requests what they lack.
func fillBare(ctx context.Context, q querier, requests []payment.Request, rows []existing) error {
	var missing []payment.Request
	for i, request := range requests {
		if rows[i].bare() {
			request.ID = rows[i].id
			missing = append(missing, request)
		}
	}
	columns, err := columnsOf(missing)
	if err != nil {
		return err
	}
	_, err = q.Exec(ctx, fillBareSQL, columns.ids, columns.tenants, columns.amounts, columns.currencies,
		columns.paymentMethods, columns.customers, columns.descriptions, columns.metadata, columns.fingerprints,
		columns.acceptedAts, columns.notBefores)
	return err
}
