package postgres

import (
	"context"
	"database/sql"

	"github.com/paybuf/paybuf/payment"
)

// horizonSQL is the place of the oldest transaction that still runs. What is before
// it has been committed or never will be. It is the statement's own snapshot that
// says so, the one by which its rows are seen.
const horizonSQL = `(SELECT f.base + pg_snapshot_xmin(pg_current_snapshot())::text::bigint FROM feed f WHERE f.only_row)`

// A transaction that ran when a reader came by has a place that no reader has passed.
const feedSQL = `
	SELECT ` + eventColumns + `
	  FROM events e` + eventPayment + `
	 WHERE e.tenant_id = $1 AND (e.place, e.sequence) > ($2, $3) AND e.place < ` + horizonSQL + `
	 ORDER BY e.place, e.sequence
	 LIMIT $4`

// Feed reads the tenant's events behind a cursor, in an order that is the same for all
// readers: nothing is ever committed before what one of them has seen. An event is
// shown once all transactions that began to write before its own have ended, wherever
// in the cluster.
func (db *DB) Feed(
	ctx context.Context, tenant payment.TenantID, after payment.FeedCursor, limit int,
) ([]payment.Event, error) {
	return db.manyEvents(ctx, "read the feed", feedSQL, tenant, after.Place, after.Sequence, min(limit, BatchMax))
}

const feedEndSQL = `SELECT ` + horizonSQL

// FeedEnd is the cursor behind all that Feed would show now, of any tenant.
func (db *DB) FeedEnd(ctx context.Context) (payment.FeedCursor, error) {
	var horizon int64
	err := db.call(ctx, "read the feed's end", func(ctx context.Context, q querier) error {
		return q.QueryRow(ctx, feedEndSQL).Scan(&horizon)
	})
	return payment.FeedEnd(horizon), err
}

const feedHorizonSQL = `
	SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint, pg_snapshot_xmax(pg_current_snapshot())::text::bigint`

// FeedHorizon gives the oldest transaction of the cluster that still runs, which
// holds up what came after it, and the one behind the last that has ended: the same if
// nothing is held up.
func (db *DB) FeedHorizon(ctx context.Context) (oldest, ended int64, err error) {
	err = db.call(ctx, "read the feed's horizon", func(ctx context.Context, q querier) error {
		return q.QueryRow(ctx, feedHorizonSQL).Scan(&oldest, &ended)
	})
	return oldest, ended, err
}

// placesAheadSQL tells whether there is an event with a place that this cluster has
// not come to. It looks at the last of each tenant, and leaps from tenant to tenant.
const placesAheadSQL = `
	WITH RECURSIVE tenants AS (
		(SELECT e.tenant_id FROM events e ORDER BY e.tenant_id LIMIT 1)
		 UNION ALL
		SELECT (SELECT e.tenant_id FROM events e WHERE e.tenant_id > t.tenant_id ORDER BY e.tenant_id LIMIT 1)
		  FROM tenants t
		 WHERE t.tenant_id IS NOT NULL
	)
	SELECT coalesce(max(last.place), 0)
	       >= (SELECT f.base + pg_snapshot_xmax(pg_current_snapshot())::text::bigint FROM feed f WHERE f.only_row)
	  FROM tenants t
	 CROSS JOIN LATERAL (SELECT e.place FROM events e WHERE e.tenant_id = t.tenant_id
	                      ORDER BY e.place DESC LIMIT 1) last`

// CheckFeed tells whether the places of events to come are behind all there are. If
// not, as in a cluster that a dump was restored into, its error has CodeConfig: what
// is written then would be behind the cursors of those who follow the feed.
func (db *DB) CheckFeed(ctx context.Context) error {
	return db.call(ctx, "check the feed", func(ctx context.Context, q querier) error {
		var ahead bool
		if err := q.QueryRow(ctx, placesAheadSQL).Scan(&ahead); err != nil {
			return err
		}
		if ahead {
			return misfit("the database was restored into a cluster that counts its transactions anew; run `paybuf migrate up`")
		}
		return nil
	})
}

// raisePlaces has places begin behind those of a cluster that the events came from.
// It locks nothing unless it is needed.
func raisePlaces(ctx context.Context, database *sql.DB) error {
	var ahead bool
	if err := database.QueryRowContext(ctx, placesAheadSQL).Scan(&ahead); err != nil || !ahead {
		return err
	}
	_, err := database.ExecContext(ctx, `SELECT feed_rebase()`)
	return err
}
