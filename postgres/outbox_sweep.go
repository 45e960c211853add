package postgres

import (
	"context"
	"time"

	"github.com/paybuf/paybuf/payment"
)

const (
	// sweepRowsMax limits the deliveries that one statement of a sweep changes.
	sweepRowsMax = 2000
	// sweepWindowMax limits the deliveries of one endpoint among which a sweep looks
	// for what is old.
	sweepWindowMax = 1000
)

// The endpoint's row is locked so that its owner cannot enable it at this moment and
// lose what he then queues.
const buryWaitingSQL = `
	WITH ended AS MATERIALIZED (
		SELECT e.id, CASE e.status WHEN 'deleted' THEN 'endpoint_deleted' ELSE 'endpoint_disabled' END AS reason
		  FROM webhook_endpoints e
		 CROSS JOIN LATERAL (
			SELECT FROM webhook_deliveries WHERE endpoint_id = e.id AND state = 'waiting'
			 ORDER BY endpoint_id, next_at, sequence LIMIT 1) one
		 WHERE e.status <> 'enabled' AND ($1::text[] IS NULL OR e.id = ANY ($1))
		 ORDER BY e.id
		   FOR SHARE OF e
	), waits AS (
		SELECT d.endpoint_id, d.sequence, ended.reason
		  FROM ended
		 CROSS JOIN LATERAL (
			SELECT endpoint_id, sequence FROM webhook_deliveries WHERE endpoint_id = ended.id AND state = 'waiting'
			 ORDER BY endpoint_id, next_at, sequence LIMIT $2) d
		 LIMIT $2
	)
	UPDATE webhook_deliveries d
	   SET state = 'dead', reason = w.reason, next_at = NULL, updated_at = now()
	  FROM waits w
	 WHERE d.endpoint_id = w.endpoint_id AND d.sequence = w.sequence AND d.state = 'waiting'`

// An endpoint's deliveries are numbered in the order of their events, so its old ones
// come first by key, and an index of their age would cost each delivery more than
// this. Of most endpoints the first row is young, and nothing more is read.
const removeOldSQL = `
	WITH old AS MATERIALIZED (
		SELECT d.endpoint_id, d.sequence, k.since
		  FROM (SELECT now() - $1::bigint * interval '1 microsecond' AS since) k
		 CROSS JOIN webhook_endpoints e
		 CROSS JOIN LATERAL (SELECT event_at FROM webhook_deliveries WHERE endpoint_id = e.id ORDER BY sequence LIMIT 1) first
		 CROSS JOIN LATERAL (
			SELECT * FROM webhook_deliveries WHERE endpoint_id = e.id AND first.event_at < k.since ORDER BY sequence LIMIT $3) d
		 WHERE d.state <> 'waiting' AND d.updated_at < k.since
		 LIMIT $2
	), removed AS (
		DELETE FROM webhook_deliveries d USING old
		 WHERE d.endpoint_id = old.endpoint_id AND d.sequence = old.sequence AND d.state <> 'waiting' AND d.updated_at < old.since
		RETURNING d.endpoint_id, d.sequence
	), attempted AS (
		DELETE FROM webhook_attempts a USING removed r WHERE a.endpoint_id = r.endpoint_id AND a.sequence = r.sequence
	)
	SELECT count(*) FROM removed`

// SweepDeliveries makes dead what waits for a disabled or deleted endpoint, and
// removes deliveries that ended longer ago than keep, by the database's clock, with
// their attempts: a worker whose clock runs ahead must not remove what is dead since
// today. It gives how many deliveries it changed: at most some thousands, so whoever
// calls it goes on until there are none.
func (db *DB) SweepDeliveries(ctx context.Context, keep time.Duration) (int, error) {
	buried, err := db.buryWaiting(ctx, nil)
	if err != nil {
		return 0, err
	}
	var removed int
	err = db.call(ctx, "remove old deliveries", func(ctx context.Context, q querier) error {
		return q.QueryRow(ctx, removeOldSQL, keep.Microseconds(), sweepRowsMax, sweepWindowMax).Scan(&removed)
	})
	return buried + removed, err
}

// buryWaiting makes dead what waits for those of the endpoints that are disabled or
// deleted; nil for all.
func (db *DB) buryWaiting(ctx context.Context, endpoints []payment.EndpointID) (buried int, err error) {
	err = db.call(ctx, "bury deliveries", func(ctx context.Context, q querier) error {
		tag, err := q.Exec(ctx, buryWaitingSQL, endpoints, sweepRowsMax)
		buried = int(tag.RowsAffected())
		return err
	})
	return buried, err
}
