package postgres

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/paybuf/paybuf/payment"
)

// What was refunded or voided stays so, also if an older statement is read again.
// Of everything else the latest telling counts.
const keepLinesSQL = `
	INSERT INTO statement_lines AS l (charge_id, reference, status, amount_minor, currency, charged_at,
	                                  statement, line, first_at, updated_at)
	SELECT r.charge_id, r.reference, r.status, r.amount_minor, r.currency, r.charged_at, $7, r.line, now(), now()
	  FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::text[], $6::timestamptz[], $8::bigint[])
	       AS r (charge_id, reference, status, amount_minor, currency, charged_at, line)
	 ORDER BY r.charge_id COLLATE "C"
	    ON CONFLICT (charge_id) DO UPDATE
	   SET reference = excluded.reference,
	       status = CASE l.status WHEN 'succeeded' THEN excluded.status ELSE l.status END,
	       amount_minor = excluded.amount_minor,
	       currency = excluded.currency,
	       charged_at = excluded.charged_at,
	       statement = excluded.statement,
	       line = excluded.line,
	       revision = l.revision + 1,
	       judged = false,
	       updated_at = now()`

// KeepLines keeps lines of a statement, to be judged. Of several lines about one
// charge the last counts. A line that was judged before is to be judged again.
func (db *DB) KeepLines(ctx context.Context, statement string, lines []payment.StatementLine) error {
	if len(lines) == 0 {
		return nil
	}
	if n := len(lines); n > BatchMax {
		return refused("keep lines: %d lines, at most %d are allowed", n, BatchMax)
	}
	var c lineColumns
	for _, line := range lastOfEach(lines) {
		c.add(line)
	}
	return db.call(ctx, "keep a statement's lines", func(ctx context.Context, q querier) error {
		_, err := q.Exec(ctx, keepLinesSQL, c.chargeIDs, c.references, c.statuses, c.amounts, c.currencies,
			c.chargedAts, storable(statement, payerTextBytesMax), c.numbers)
		return err
	})
}

// lastOfEach sorts lines by their charges and keeps the last of each.
func lastOfEach(lines []payment.StatementLine) []payment.StatementLine {
	sorted := slices.SortedStableFunc(slices.Values(lines), func(a, b payment.StatementLine) int {
		return cmp.Compare(a.ChargeID, b.ChargeID)
	})
	var last []payment.StatementLine
	for i, line := range sorted {
		if i+1 == len(sorted) || sorted[i+1].ChargeID != line.ChargeID {
			last = append(last, line)
		}
	}
	return last
}

// lineColumns are lines turned into the arrays that unnest takes.
type lineColumns struct {
	chargeIDs, references, statuses, currencies []string
	amounts, numbers                            []int64
	chargedAts                                  []time.Time
}

func (c *lineColumns) add(line payment.StatementLine) {
	c.chargeIDs = append(c.chargeIDs, line.ChargeID)
	c.references = append(c.references, storable(line.Reference, payerTextBytesMax))
	c.statuses = append(c.statuses, string(line.Status))
	c.amounts = append(c.amounts, line.AmountMinor)
	c.currencies = append(c.currencies, line.Currency)
	c.chargedAts = append(c.chargedAts, line.ChargedAt)
	c.numbers = append(c.numbers, line.Number)
}

// The payments of an order are a chain; what stands under any of them counts.
const unjudgedSQL = `
	WITH lines AS (
		SELECT * FROM statement_lines
		 WHERE NOT judged AND charge_id > $1
		 ORDER BY charge_id
		 LIMIT $2
	)
	SELECT l.charge_id, l.reference, l.status, l.amount_minor, l.currency, l.charged_at, l.line, l.statement, l.revision,
	       p.id IS NOT NULL, coalesce(p.state, ''), coalesce(p.version, 0), coalesce(p.amount_minor, 0),
	       coalesce(p.currency, ''), coalesce(p.failure_code, ''), s.standing, s.earlier
	  FROM lines l
	  LEFT JOIN payments p ON p.id = l.reference
	 CROSS JOIN LATERAL (
		SELECT count(*) AS standing,
		       count(*) FILTER (WHERE (o.charged_at, o.charge_id) < (l.charged_at, l.charge_id)) AS earlier
		  FROM payments q
		  JOIN statement_lines o ON o.reference = q.id
		 WHERE q.tenant_id = p.tenant_id AND q.order_number = p.order_number AND o.status = 'succeeded'
	       ) s
	 ORDER BY l.charge_id`

// UnjudgedCharges gives up to limit charges that are to be judged, ordered by
// their ids and after the one given, whichever statement told of them.
func (db *DB) UnjudgedCharges(ctx context.Context, after string, limit int) ([]payment.StatedCharge, error) {
	var charges []payment.StatedCharge
	err := db.call(ctx, "read charges to be judged", func(ctx context.Context, q querier) error {
		rows, err := q.Query(ctx, unjudgedSQL, after, min(limit, BatchMax))
		if err != nil {
			return err
		}
		charges, err = pgx.CollectRows(rows, scanStatedCharge)
		return err
	})
	return charges, err
}

func scanStatedCharge(row pgx.CollectableRow) (payment.StatedCharge, error) {
	var c payment.StatedCharge
	var minor int64
	var currency string
	err := row.Scan(&c.ChargeID, &c.Reference, &c.Status, &c.AmountMinor, &c.Currency, &c.ChargedAt, &c.Number,
		&c.Statement, &c.Revision, &c.Ours, &c.State, &c.Version, &minor, &currency, &c.Failure, &c.Standing, &c.Earlier)
	if err != nil || minor == 0 {
		return c, err
	}
	c.ChargedAt = c.ChargedAt.UTC()
	c.Money, err = payment.RestoreMoney(minor, currency)
	return c, err
}
