package postgres

import (
	"bytes"
	"context"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/paybuf/paybuf/payment"
)

// A statement of its own, because only then it sees rows that were committed
// while the insertion waited for them.
const existingSQL = `
	SELECT r.position - 1, p.id, p.fingerprint
	  FROM unnest($1::text[], $2::text[], $3::text[])
	       WITH ORDINALITY AS r (tenant_id, order_number, retry_of, position)
	  JOIN payments p ON p.tenant_id = r.tenant_id AND p.order_number = r.order_number
	                 AND p.retry_of IS NOT DISTINCT FROM nullif(r.retry_of, '')`

// existing is the row that a request's order number has.
type existing struct {
	id          payment.ID
	fingerprint []byte // NULL of a bare row
}

// classExisting tells for requests whose order number has a row whether they
// repeat it or differ from it, and records those that differ. Of an order that was
// canceled before it came, the first request is what the row was waiting for.
func classExisting(ctx context.Context, q querier, requests []payment.Request) (duplicates, conflicts int, err error) {
	if len(requests) == 0 {
		return 0, 0, nil
	}
	rows, err := readExisting(ctx, q, requests)
	if err != nil {
		return 0, 0, err
	}
	if slices.ContainsFunc(rows, existing.bare) {
		if err := fillBare(ctx, q, requests, rows); err != nil {
			return 0, 0, err
		}
		if rows, err = readExisting(ctx, q, requests); err != nil { // whose body won
			return 0, 0, err
		}
	}
	var differing []payment.Request
	for i, request := range requests {
		fingerprint := request.Fingerprint()
		if bytes.Equal(rows[i].fingerprint, fingerprint[:]) {
			duplicates++
			continue
		}
		request.ID = rows[i].id // the payment that the order number has
		differing = append(differing, request)
	}
	return duplicates, len(differing), recordConflicts(ctx, q, differing)
}

// readExisting gives the row of each request.
func readExisting(ctx context.Context, q querier, requests []payment.Request) ([]existing, error) {
	columns, err := columnsOf(requests)
	if err != nil {
		return nil, err
	}
	rows, err := q.Query(ctx, existingSQL, columns.tenants, columns.orderNumbers, columns.retryOfs)
	if err != nil {
		return nil, err
	}
	all := make([]existing, len(requests))
	var position int
	var row existing
	if _, err := pgx.ForEachRow(rows, []any{&position, &row.id, &row.fingerprint}, func() error {
		all[position] = existing{id: row.id, fingerprint: bytes.Clone(row.fingerprint)}
		return nil
	}); err != nil {
		return nil, err
	}
	for i, row := range all {
		if row.id == "" {
			return nil, refused("claim: the id %s is taken by another order", requests[i].ID)
		}
	}
	return all, nil
}

// A conflict may come before its order's own row: then the event has version 0
// and the state of a payment without a row.
var recordConflictsSQL = `
	WITH recorded AS (
		INSERT INTO conflicts (payment_id, fingerprint, tenant_id, order_number, amount_minor,
		                       currency, payment_method, customer, first_at)
		SELECT r.payment_id, r.fingerprint, r.tenant_id, r.order_number, r.amount_minor,
		       r.currency, r.payment_method, r.customer, now()
		  FROM unnest($1::text[], $2::bytea[], $3::text[], $4::text[], $5::bigint[],
		              $6::text[], $7::text[], $8::text[])
		       AS r (payment_id, fingerprint, tenant_id, order_number, amount_minor,
		             currency, payment_method, customer)
		 ORDER BY r.payment_id COLLATE "C", r.fingerprint
		    ON CONFLICT DO NOTHING
		RETURNING payment_id, fingerprint, tenant_id, first_at
	), ` + told(`SELECT c.payment_id, c.tenant_id, coalesce(p.version, 0), 'payment.conflict', coalesce(p.state, 'queued'),
		       NULL, jsonb_build_object('fingerprint', encode(c.fingerprint, 'hex')), c.first_at
		  FROM recorded c LEFT JOIN payments p ON p.id = c.payment_id`) + `
	SELECT count(*) FROM recorded`

// recordConflicts keeps each differing body once, with an event.
func recordConflicts(ctx context.Context, q querier, requests []payment.Request) error {
	if len(requests) == 0 {
		return nil
	}
	columns, err := columnsOf(requests)
	if err != nil {
		return err
	}
	_, err = q.Exec(ctx, recordConflictsSQL, columns.ids, columns.fingerprints, columns.tenants, columns.orderNumbers,
		columns.amounts, columns.currencies, columns.paymentMethods, columns.customers)
	return err
}
