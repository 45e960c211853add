package postgres

import (
	"context"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/paybuf/paybuf/internal/fault"
	"github.com/paybuf/paybuf/payment"
)

// refusedMessage is what the tenant reads of a payment that failed because of
// those before it.
const refusedMessage = "never sent to the payer: an earlier payment of this order was not failed or canceled yet, or " +
	"retry_of names none of its payments; once they are, try again with retry_of naming this payment, or the " +
	"order's last one if retry_of was wrong"

// refuseSQL makes a retry fail whose chain does not lead to the order's first payment.
const refuseSQL = `WHEN retry_of <> '' AND id NOT IN (SELECT id FROM chain WHERE before IS NULL) THEN 'failed'`

// Rows are inserted in the order of their keys, so that two batches that share
// orders wait for each other instead of locking up. chain follows those that try a
// payment again through what came before them, as long as that is of the same order
// and can never be charged; who comes to the order's first payment may be paid. A
// link that was itself refused proves nothing about those before it, hence all of
// the way. Without such requests chain is never looked at. OFFSET 0 keeps the planner
// from judging once for each column that depends on it.
var insertPaymentsSQL = `
	WITH RECURSIVE chain AS (
		SELECT r.id, r.tenant_id, r.order_number, r.retry_of COLLATE "C" AS before, 0 AS links
		  FROM unnest($1::text[], $2::text[], $3::text[], $4::text[]) AS r (id, tenant_id, order_number, retry_of)
		 WHERE r.retry_of <> ''
		 UNION ALL
		SELECT c.id, c.tenant_id, c.order_number, p.retry_of, c.links + 1
		  FROM chain c
		  JOIN payments p ON p.id = c.before AND p.tenant_id = c.tenant_id AND p.order_number = c.order_number
		 WHERE p.state IN ('failed', 'canceled') AND c.links < $15::integer
	), claimed AS (
		INSERT INTO payments (id, tenant_id, order_number, retry_of, amount_minor, currency, payment_method,
		                      customer, description, metadata, fingerprint, accepted_at, not_before,
		                      state, version, failure_code, failure_message,
		                      attempts, first_attempt_at, last_attempt_at,
		                      next_at,
		                      created_at, updated_at)
		SELECT id, tenant_id, order_number, nullif(retry_of, ''), amount_minor, currency, payment_method,
		       customer, description, metadata::jsonb, fingerprint, accepted_at, not_before,
		       state, 1, CASE state WHEN 'failed' THEN $16 ELSE '' END, CASE state WHEN 'failed' THEN $17 ELSE '' END,
		       (state = 'paying')::integer, CASE state WHEN 'paying' THEN now() END, CASE state WHEN 'paying' THEN now() END,
		       CASE state WHEN 'paying' THEN now() + $14::bigint * interval '1 microsecond'
		                  WHEN 'scheduled' THEN not_before END,
		       now(), now()
		  FROM (SELECT r.*, CASE ` + refuseSQL + `
		                         WHEN not_before > now() THEN 'scheduled'
		                         ELSE 'paying' END AS state
		          FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::bigint[], $6::text[], $7::text[],
		                      $8::text[], $9::text[], $10::text[], $11::bytea[], $12::timestamptz[], $13::timestamptz[])
		               AS r (id, tenant_id, order_number, retry_of, amount_minor, currency, payment_method,
		                     customer, description, metadata, fingerprint, accepted_at, not_before)
		        OFFSET 0) judged
		 ORDER BY id COLLATE "C"
		    ON CONFLICT DO NOTHING
		RETURNING id, tenant_id, state, failure_code, failure_message, created_at, next_at
	), ` + told(`SELECT id, tenant_id, 1, 'payment.' || state, state, 'queued', `+failureDetail+`, created_at
		  FROM claimed`) + `
	SELECT id, state, created_at, next_at FROM claimed`

// claimedRow is what became of a request that is new.
type claimedRow struct {
	state payment.State
	at    time.Time
	until *time.Time // the end of the lease
}

// insertPayments claims what it can. rest are the requests whose id or order
// number has a row already.
func insertPayments(
	ctx context.Context, q querier, requests []payment.Request, lease time.Duration,
) (claimed payment.Claimed, rest []payment.Request, err error) {
	if len(requests) == 0 {
		return claimed, nil, nil
	}
	rows, err := insertRows(ctx, q, requests, lease)
	if err != nil {
		return claimed, nil, err
	}
	for _, request := range requests {
		row, ours := rows[request.ID]
		switch {
		case !ours:
			rest = append(rest, request)
		case row.state == payment.Scheduled:
			claimed.Scheduled++
		case row.state == payment.Failed:
			claimed.Refused++
		default:
			claimed.Works = append(claimed.Works, firstWork(request, row.at.UTC(), instant(row.until)))
		}
	}
	return claimed, rest, nil
}

// insertRows runs the statement, and gives what is new by its id.
func insertRows(
	ctx context.Context, q querier, requests []payment.Request, lease time.Duration,
) (map[payment.ID]claimedRow, error) {
	columns, err := columnsOf(requests)
	if err != nil {
		return nil, err
	}
	rows, err := q.Query(ctx, insertPaymentsStatement(), columns.ids, columns.tenants, columns.orderNumbers, columns.retryOfs,
		columns.amounts, columns.currencies, columns.paymentMethods, columns.customers, columns.descriptions,
		columns.metadata, columns.fingerprints, columns.acceptedAts, columns.notBefores, lease.Microseconds(),
		ordersRowsMax, payment.FailurePredecessor, refusedMessage)
	if err != nil {
		return nil, err
	}
	claimed := make(map[payment.ID]claimedRow, len(requests))
	var id payment.ID
	var row claimedRow
	_, err = pgx.ForEachRow(rows, []any{&id, &row.state, &row.at, &row.until}, func() error {
		claimed[id] = row
		return nil
	})
	return claimed, err
}

// insertPaymentsStatement is insertPaymentsSQL. Without its judgement of chains it is
// what a test must notice.
func insertPaymentsStatement() string {
	if fault.Dropped(fault.Chain) {
		return strings.ReplaceAll(insertPaymentsSQL, refuseSQL, "")
	}
	return insertPaymentsSQL
}

func firstWork(request payment.Request, at, until time.Time) payment.Work {
	return payment.Work{
		Payment: payment.Payment{
			Request: request, State: payment.Paying, Version: 1, Attempts: 1, NextAt: until, UpdatedAt: at,
		},
		Attempt: 1, FirstAttemptAt: at, LastAttemptAt: at, LeasedAt: at,
	}
}
