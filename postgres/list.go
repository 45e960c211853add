package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/paybuf/paybuf/payment"
)

// listScanMax limits the rows that one page of a list looks at, so that a state that
// is rare in a large table costs many short pages instead of a time-out, and the rows
// that are found by an index which does not have them in the list's order.
const listScanMax = 10_000

// listedSQL lists what comes of from, in one order however it was found: by at, when a
// payment was created, and listed_id. place counts the rows that were looked at; that of
// listScanMax comes along whatever its state, so that it is known where to go on.
func listedSQL(from string) string {
	return `
	SELECT ` + paymentColumns + `, p.at, p.place
	  FROM (` + from + `) p
	 WHERE p.tenant_id = $1
	   AND p.at >= coalesce($2::timestamptz, '-infinity') AND (p.at, p.listed_id) < (coalesce($3::timestamptz, 'infinity'), $4)
	   AND ($5::text = '' OR p.state = $5 OR p.place = $6::bigint)
	   AND ($7::text = '' OR p.order_number = $7)
	 ORDER BY p.at DESC, p.listed_id DESC
	 LIMIT $8`
}

// uncounted are the columns that listedSQL needs of rows that are not counted.
const uncounted = `*, created_at AS at, id AS listed_id, 0 AS place`

// A tenant's payments are found by the events of their creation, of which each has one:
// that index is written once per payment. An index of payments would be written again
// with each of their updates. The order is that of the events, so that the payments
// behind a page's end are not looked at.
// OFFSET 0 keeps the planner from going by the tenant where few rows are meant.
var (
	listByTimeSQL = listedSQL(`
		SELECT p.*, e.at, e.payment_id AS listed_id, e.place
		  FROM (SELECT payment_id, at, row_number() OVER (ORDER BY at DESC, payment_id DESC) AS place
		          FROM events
		         WHERE tenant_id = $1 AND version = 1 AND type <> 'payment.conflict'
		           AND at >= coalesce($2::timestamptz, '-infinity') AND (at, payment_id) < (coalesce($3::timestamptz, 'infinity'), $4)
		         ORDER BY at DESC, payment_id DESC
		         LIMIT $6::bigint) e
		  JOIN payments p ON p.id = e.payment_id`)
	listOpenOfSQL   = listedSQL(`SELECT ` + uncounted + ` FROM payments WHERE next_at IS NOT NULL OFFSET 0`)
	listParkedOfSQL = listedSQL(`SELECT ` + uncounted + ` FROM payments WHERE state = 'parked' OFFSET 0`)
	listOrderSQL    = listedSQL(`SELECT ` + uncounted + ` FROM payments WHERE tenant_id = $1 AND order_number = $7 OFFSET 0`)
)

const (
	countOpenSQL   = `SELECT count(*) FROM (SELECT FROM payments WHERE next_at IS NOT NULL LIMIT $1) open`
	countParkedSQL = `SELECT count(*) FROM (SELECT FROM payments WHERE state = 'parked' LIMIT $1) parked`
)

// ListPayments lists a tenant's payments, the newest claim first. Who follows Next sees
// each payment that was there at the first page once, whatever is claimed meanwhile;
// with a state, those that have it when their page is read.
func (db *DB) ListPayments(
	ctx context.Context, tenant payment.TenantID, f payment.ListFilter,
) (payment.ListPage, error) {
	if f.State == payment.Queued {
		return payment.ListPage{}, refused("list: what is queued has no rows")
	}
	limit := max(1, min(f.Limit, listScanMax-1))
	before := listBefore(f)
	var found []listed
	err := db.call(ctx, "list payments", func(ctx context.Context, q querier) error {
		sql, err := listStatement(ctx, q, f)
		if err != nil {
			return err
		}
		rows, err := q.Query(ctx, sql, tenant, moment(f.CreatedAfter), moment(before.CreatedAt), before.ID,
			f.State, listScanMax, f.OrderNumber, limit+1)
		if err != nil {
			return err
		}
		found, err = pgx.CollectRows(rows, scanListed)
		return err
	})
	return pageOf(found, f.State, limit), err
}

// listBefore is what all on the page are older than. It is one bound: of two, the index
// may be entered by the one that is further off, and read from there.
func listBefore(f payment.ListFilter) payment.ListPlace {
	if f.CreatedBefore.IsZero() || (!f.From.CreatedAt.IsZero() && f.From.CreatedAt.Before(f.CreatedBefore)) {
		return f.From
	}
	return payment.ListPlace{CreatedAt: f.CreatedBefore} // no id is less than none
}

// listStatement chooses the way by which the fewest rows are looked at.
func listStatement(ctx context.Context, q querier, f payment.ListFilter) (string, error) {
	if f.OrderNumber != "" {
		return listOrderSQL, nil
	}
	var count, few string
	switch f.State {
	case payment.Parked:
		count, few = countParkedSQL, listParkedOfSQL
	case payment.Scheduled, payment.Paying, payment.Retrying, payment.Unknown, payment.Pending:
		count, few = countOpenSQL, listOpenOfSQL
	case "", payment.Queued, payment.Succeeded, payment.Failed, payment.Canceled:
		return listByTimeSQL, nil
	}
	var n int
	if err := q.QueryRow(ctx, count, listScanMax).Scan(&n); err != nil {
		return "", err
	}
	if n == listScanMax {
		return listByTimeSQL, nil
	}
	return few, nil
}

// listed is a row of a list.
type listed struct {
	payment payment.Payment
	at      payment.ListPlace
	place   int64
}

func scanListed(row pgx.CollectableRow) (l listed, err error) {
	var createdAt time.Time
	l.payment, err = scanPaymentAnd(row, &createdAt, &l.place)
	l.at = payment.ListPlace{CreatedAt: createdAt.UTC(), ID: l.payment.ID}
	return l, err
}

// pageOf makes a page of what was found, which has one row more than wanted if there
// is another page, and may end in a row that only says how far it was looked.
func pageOf(found []listed, state payment.State, limit int) (page payment.ListPage) {
	for i, l := range found {
		if i == limit {
			return page
		}
		page.Next = l.at
		if state == "" || l.payment.State == state {
			page.Payments = append(page.Payments, l.payment)
		}
	}
	if n := len(found); n == 0 || found[n-1].place != listScanMax {
		page.Next = payment.ListPlace{}
	}
	return page
}
