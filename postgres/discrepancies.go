package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/paybuf/paybuf/payment"
)

// A charge was made between the first attempt and the last write, so a payment is
// missing only if all of that time is covered: by the period, or by periods of
// statements before it that leave no gap. Nobody follows these further back than a
// payment of the page goes. A charge that was voided never moved money.
const recordMissingSQL = `
	WITH RECURSIVE page AS (
		SELECT p.id, p.amount_minor, p.currency, p.first_attempt_at, p.updated_at
		  FROM payments p
		 WHERE p.state = 'succeeded'
		   AND (p.updated_at, p.id) > ($5::timestamptz, $6)
		   AND p.updated_at >= $2::timestamptz - $4::bigint * interval '1 microsecond'
		   AND p.updated_at < $3::timestamptz - $4::bigint * interval '1 microsecond'
		 ORDER BY p.updated_at, p.id
		 LIMIT $7
	), cover (since) AS (
		SELECT $2::timestamptz
		 UNION
		SELECT s.period_from
		  FROM cover c JOIN statements s ON s.period_until >= c.since AND s.period_from < c.since
		 WHERE s.done_at IS NOT NULL AND s.failure = ''
		   AND c.since > (SELECT min(first_attempt_at) FROM page) - $4::bigint * interval '1 microsecond'
	), found AS (
		INSERT INTO discrepancies (kind, reference, charge_id, detail, statement, first_at, last_at)
		SELECT 'missing', page.id, '', page.amount_minor || ' ' || page.currency || ' (minor units) succeeded and no statement shows it',
		       $1, now(), now()
		  FROM page
		 WHERE page.first_attempt_at >= (SELECT min(since) FROM cover) + $4::bigint * interval '1 microsecond'
		   AND NOT EXISTS (SELECT FROM statement_lines l WHERE l.reference = page.id AND l.status <> 'voided')
		 ORDER BY page.id
		    ON CONFLICT (kind, reference, charge_id) DO UPDATE
		   SET statement = excluded.statement, last_at = now()
	)
	SELECT updated_at, id FROM page ORDER BY updated_at DESC, id DESC LIMIT 1`

// RecordMissing looks through up to limit payments that succeeded within a period
// minus a margin at both of its ends, and records those that no statement shows.
// more is false when there are no further ones after next.
func (db *DB) RecordMissing(
	ctx context.Context, run payment.StatementRun, margin time.Duration, after payment.MissingCursor, limit int,
) (next payment.MissingCursor, more bool, err error) {
	err = db.call(ctx, "look for missing charges", func(ctx context.Context, q querier) error {
		row := q.QueryRow(ctx, recordMissingSQL, storable(run.Name, payerTextBytesMax), run.Period.From, run.Period.Until,
			margin.Microseconds(), after.UpdatedAt, after.ID, min(limit, BatchMax))
		err := row.Scan(&next.UpdatedAt, &next.ID)
		more = err == nil
		if noRow(err) {
			return nil
		}
		return err
	})
	return next, more, err
}

// What no longer holds is closed by itself: the charge came in a later statement,
// was refunded, or the payment has been settled since.
const closeSettledSQL = `
	WITH page AS (
		SELECT id, kind, reference, charge_id FROM discrepancies
		 WHERE resolved_at IS NULL AND id > $1
		 ORDER BY id
		 LIMIT $2
	), over AS (
		SELECT d.id
		  FROM page d
		  LEFT JOIN payments p ON p.id = d.reference
		  LEFT JOIN statement_lines l ON l.charge_id = d.charge_id
		 WHERE (d.kind = 'missing' OR l.charge_id IS NOT NULL) -- whose line was removed says nothing
		   AND CASE d.kind
		       WHEN 'missing' THEN EXISTS (SELECT FROM statement_lines s
		                                    WHERE s.reference = d.reference AND s.status <> 'voided')
		       WHEN 'foreign' THEN p.id IS NOT NULL OR l.reference <> d.reference
		       WHEN 'wrong_amount' THEN l.status <> 'succeeded' OR l.reference <> d.reference
		                             OR (l.amount_minor = p.amount_minor AND l.currency = p.currency)
		       WHEN 'charged_but_not_succeeded' THEN l.status <> 'succeeded' OR l.reference <> d.reference
		                                          OR p.state = 'succeeded'
		       WHEN 'doubled' THEN l.status <> 'succeeded' OR l.reference <> d.reference
		                        OR (SELECT count(*) FROM payments q JOIN statement_lines o ON o.reference = q.id
		                             WHERE q.tenant_id = p.tenant_id AND q.order_number = p.order_number
		                               AND o.status = 'succeeded') < 2
		       END
	), closed AS (
		UPDATE discrepancies d
		   SET resolved_at = now(), resolved_by = 'paybuf', reason = 'it no longer holds'
		  FROM over
		 WHERE d.id = over.id AND d.resolved_at IS NULL
	)
	SELECT max(id) FROM page`

// CloseSettled looks through up to limit open discrepancies after an id and closes
// those that no longer hold. more is false when there are no further ones.
func (db *DB) CloseSettled(ctx context.Context, after int64, limit int) (next int64, more bool, err error) {
	var last *int64
	err = db.call(ctx, "close discrepancies that are settled", func(ctx context.Context, q querier) error {
		return q.QueryRow(ctx, closeSettledSQL, after, min(limit, BatchMax)).Scan(&last)
	})
	if err != nil || last == nil {
		return after, false, err
	}
	return *last, true, nil
}

const openDiscrepanciesSQL = `
	SELECT kind, count(*) FROM discrepancies
	 WHERE resolved_at IS NULL AND ($1 = '' OR statement = $1)
	 GROUP BY kind`

// OpenDiscrepancies counts what is open, by kind: of one statement, or of all if
// the name is "".
func (db *DB) OpenDiscrepancies(ctx context.Context, statement string) (map[payment.DiscrepancyKind]int64, error) {
	open := map[payment.DiscrepancyKind]int64{}
	err := db.call(ctx, "count discrepancies", func(ctx context.Context, q querier) error {
		rows, err := q.Query(ctx, openDiscrepanciesSQL, storable(statement, payerTextBytesMax))
		if err != nil {
			return err
		}
		var kind payment.DiscrepancyKind
		var n int64
		_, err = pgx.ForEachRow(rows, []any{&kind, &n}, func() error {
			open[kind] = n
			return nil
		})
		return err
	})
	return open, err
}

const discrepanciesSQL = `
	SELECT id, kind, reference, charge_id, detail, statement, first_at
	  FROM discrepancies
	 WHERE resolved_at IS NULL AND id > $1
	 ORDER BY id
	 LIMIT $2`

// Discrepancies reads up to limit open discrepancies after an id, oldest first.
func (db *DB) Discrepancies(ctx context.Context, after int64, limit int) ([]payment.Discrepancy, error) {
	var all []payment.Discrepancy
	err := db.call(ctx, "read discrepancies", func(ctx context.Context, q querier) error {
		rows, err := q.Query(ctx, discrepanciesSQL, after, min(limit, BatchMax))
		if err != nil {
			return err
		}
		all, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (payment.Discrepancy, error) {
			var d payment.Discrepancy
			err := row.Scan(&d.ID, &d.Kind, &d.Reference, &d.ChargeID, &d.Detail, &d.Statement, &d.FirstAt)
			d.FirstAt = d.FirstAt.UTC()
			return d, err
		})
		return err
	})
	return all, err
}

const resolveDiscrepancySQL = `
	UPDATE discrepancies
	   SET resolved_at = now(), resolved_by = $2, reason = $3
	 WHERE id = $1 AND resolved_at IS NULL`

// ResolveDiscrepancy closes a discrepancy: who decided, and why, stays on record.
// CodeNotFound means that there is none or that it was closed before.
func (db *DB) ResolveDiscrepancy(ctx context.Context, id int64, operator, reason string) error {
	return db.call(ctx, "resolve a discrepancy", func(ctx context.Context, q querier) error {
		tag, err := q.Exec(ctx, resolveDiscrepancySQL, id,
			storable(operator, payerTextBytesMax), storable(reason, payerTextBytesMax))
		if err == nil && tag.RowsAffected() == 0 {
			return &payment.Error{Code: payment.CodeNotFound, Detail: "there is no open discrepancy with that number"}
		}
		return err
	})
}
