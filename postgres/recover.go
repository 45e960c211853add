package postgres

import (
	"context"
	"time"

	"github.com/paybuf/paybuf/payment"
)

const (
	// recoverEventsMax is how many events one call looks at.
	recoverEventsMax = 2000
	// startSlack is more than a transaction may take: so much may events be out of
	// the order of their times.
	startSlack = time.Minute
)

// An event has a delivery, or gets one if the endpoint wants its type by now. Those
// that are dead are queued whatever it wants now: it wanted them once.
const recoverSQL = `
	WITH page AS MATERIALIZED (
		SELECT e.place, e.sequence, e.payment_id, e.version, e.type, e.at
		  FROM events e
		 WHERE e.tenant_id = $2 AND (e.place, e.sequence) > ($3::bigint, $4::bigint)
		 ORDER BY e.place, e.sequence
		 LIMIT $6
	), missed AS (
		SELECT g.*
		  FROM page g
		  JOIN (SELECT * FROM webhook_endpoints WHERE id = $1 OFFSET 0) n ON n.tenant_id = $2 AND n.status = 'enabled'
		  LEFT JOIN webhook_deliveries d ON d.endpoint_id = $1 AND d.sequence = g.sequence
		 WHERE g.at >= $5
		   AND (d.state = 'dead' OR (d.state IS NULL AND (n.event_types = '{}' OR g.type = ANY (n.event_types))))
		 ORDER BY g.sequence
	), queued AS (
		INSERT INTO webhook_deliveries AS d (endpoint_id, sequence, tenant_id, payment_id, version, type,
		                                     state, next_at, event_at, updated_at)
		SELECT $1, sequence, $2, payment_id, version, type, 'waiting', now(), at, now()
		  FROM missed
		    ON CONFLICT (endpoint_id, sequence) DO UPDATE
		   SET state = 'waiting', reason = '', tries = 0, next_at = now(), updated_at = now()
		 WHERE d.state = 'dead'
		RETURNING 1
	)
	SELECT (SELECT count(*) FROM queued), (SELECT count(*) FROM page), g.place, g.sequence
	  FROM (SELECT 1) one
	  LEFT JOIN (SELECT place, sequence FROM page ORDER BY place DESC, sequence DESC LIMIT 1) g ON true`

// Recover queues, for a tenant's endpoint, what is dead of the events since a time,
// and those that it has no delivery of: some thousand events per call. It begins at the
// time if after is zero, and goes on from Next otherwise. Sent again, it queues nothing
// twice.
func (db *DB) Recover(
	ctx context.Context, tenant payment.TenantID, id payment.EndpointID, since time.Time, after payment.FeedCursor,
) (payment.Recovery, error) {
	var recovery payment.Recovery
	err := db.call(ctx, "recover webhook deliveries", func(ctx context.Context, q querier) error {
		if err := endpointInUse(ctx, q, tenant, id); err != nil {
			return err
		}
		if after == (payment.FeedCursor{}) {
			var err error
			if after, err = feedStart(ctx, q, tenant, since.Add(-startSlack)); err != nil {
				return err
			}
		}
		var seen int
		var place, sequence *int64
		err := q.QueryRow(ctx, recoverSQL, id, tenant, after.Place, after.Sequence, since, recoverEventsMax).
			Scan(&recovery.Queued, &seen, &place, &sequence)
		recovery.Complete = seen < recoverEventsMax
		if place != nil && sequence != nil {
			recovery.Next = payment.FeedCursor{Place: *place, Sequence: *sequence}
		}
		return err
	})
	return recovery, err
}

const lastEventSQL = `
	SELECT place, sequence
	  FROM events
	 WHERE tenant_id = $1
	 ORDER BY place DESC, sequence DESC
	 LIMIT 1`

const nextEventSQL = `
	SELECT at
	  FROM events
	 WHERE tenant_id = $1 AND (place, sequence) > ($2::bigint, $3::bigint)
	 ORDER BY place, sequence
	 LIMIT 1`

// feedStart finds a place in a tenant's feed before which events are older than a
// time, give or take the time of a transaction. There is no index by time, but the
// feed's order is nearly that: so it is searched by halves.
func feedStart(
	ctx context.Context, q querier, tenant payment.TenantID, since time.Time,
) (payment.FeedCursor, error) {
	var last payment.FeedCursor
	if err := q.QueryRow(ctx, lastEventSQL, tenant).Scan(&last.Place, &last.Sequence); err != nil {
		if noRow(err) {
			err = nil
		}
		return payment.FeedCursor{}, err
	}
	reached := func(c payment.FeedCursor) (bool, error) {
		var at time.Time
		err := q.QueryRow(ctx, nextEventSQL, tenant, c.Place, c.Sequence).Scan(&at)
		if noRow(err) {
			return true, nil
		}
		return !at.Before(since), err
	}
	place, err := firstOf(last.Place+1, func(place int64) (bool, error) {
		return reached(payment.FeedCursor{Place: place})
	})
	if err != nil || place == 0 {
		return payment.FeedCursor{}, err
	}
	// What was written before there were places is all at the first one.
	place--
	sequence, err := firstOf(last.Sequence, func(sequence int64) (bool, error) {
		return reached(payment.FeedCursor{Place: place, Sequence: sequence})
	})
	return payment.FeedCursor{Place: place, Sequence: sequence}, err
}

// firstOf gives the first number from 0 on, and before end, for which something holds,
// or end if it holds for none.
func firstOf(end int64, holds func(int64) (bool, error)) (int64, error) {
	first := int64(0)
	for first < end {
		middle := first + (end-first)/2
		held, err := holds(middle)
		switch {
		case err != nil:
			return 0, err
		case held:
			end = middle
		default:
			first = middle + 1
		}
	}
	return first, nil
}
