package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype/zeronull"

	"github.com/paybuf/paybuf/payment"
)

// lookAheadMax is how many deliveries of an endpoint that are due are looked at, beyond
// those that are under way.
const lookAheadMax = 1000

// crowdedMax is how many endpoints one question clears the way at.
const crowdedMax = 16

// What is due comes by index in its order, and no more of it is read than is given.
var dueSQL = `
	WITH due AS MATERIALIZED (
		SELECT w.position, d.*
		  FROM unnest($2::text[], $3::integer[], $4::integer[])
		       WITH ORDINALITY AS w (endpoint_id, rows_max, look_ahead, position)
		  JOIN webhook_workers k ON k.id = $1 AND k.leased_until > now()
		 CROSS JOIN LATERAL (SELECT * FROM webhook_endpoints WHERE id = w.endpoint_id OFFSET 0) e
		 CROSS JOIN LATERAL (
			SELECT seen.*
			  FROM (SELECT * FROM webhook_deliveries
			         WHERE endpoint_id = e.id AND state = 'waiting' AND next_at <= now()
			         ORDER BY next_at, sequence
			         LIMIT w.look_ahead) seen
			 WHERE (seen.endpoint_id, seen.sequence) NOT IN (SELECT * FROM unnest($5::text[], $6::bigint[]))
			   AND (seen.payment_id = '' OR NOT EXISTS (
			        SELECT FROM webhook_deliveries ahead
			         WHERE ahead.endpoint_id = seen.endpoint_id AND ahead.payment_id = seen.payment_id
			           AND ahead.sequence < seen.sequence AND ahead.state = 'waiting'))
			 ORDER BY seen.next_at, seen.sequence
			 LIMIT w.rows_max) d
		 WHERE e.worker_id = $1 AND e.status = 'enabled' AND (e.resume_at IS NULL OR e.resume_at <= now())
	)
	SELECT ` + eventColumns + `,
	       d.endpoint_id, d.sequence, d.tenant_id, d.version, d.type, d.event_at, d.attempts, d.tries, d.next_at, d.updated_at
	  FROM due d
	  LEFT JOIN events e ON e.payment_id = d.payment_id AND e.sequence = d.sequence` + eventPayment + `
	 ORDER BY d.position, d.next_at, d.sequence`

// What stands behind an earlier one of its payment stays due itself, is looked at
// again and again, and may fill all that is looked at while the one ahead waits for
// hours. Where that is so, it is put off until the one ahead is due, or comes after it
// in the order; when the one ahead has ended, recordSQL lets it come. A healthy
// endpoint never has so much due, and nothing is written. Of those that have, some are
// cleared at once and the others the next time, so that the statement ends in time
// however many there are: while it runs, nobody else's deliveries are asked for.
const putOffSQL = `
	UPDATE webhook_deliveries d
	   SET next_at = s.ahead
	  FROM (SELECT w.*
	          FROM unnest($2::text[], $3::integer[]) AS w (endpoint_id, look_ahead)
	         CROSS JOIN LATERAL (
			SELECT FROM webhook_deliveries
			 WHERE endpoint_id = w.endpoint_id AND state = 'waiting' AND next_at <= now()
			 ORDER BY endpoint_id, next_at, sequence
			OFFSET w.look_ahead - 1
			 LIMIT 1) crowded
	         LIMIT $4) w
	 CROSS JOIN LATERAL (
		SELECT o.endpoint_id, o.sequence, o.next_at, (
		       SELECT a.next_at FROM webhook_deliveries a
		        WHERE a.endpoint_id = o.endpoint_id AND a.payment_id = o.payment_id AND a.payment_id <> ''
		          AND a.sequence < o.sequence AND a.state = 'waiting'
		        ORDER BY a.sequence
		        LIMIT 1) AS ahead
		  FROM (SELECT * FROM webhook_deliveries
		         WHERE endpoint_id = w.endpoint_id AND state = 'waiting' AND next_at <= now()
		         ORDER BY next_at, sequence
		         LIMIT w.look_ahead) o
		OFFSET 0) s
	  JOIN webhook_workers k ON k.id = $1 AND k.leased_until > now()
	 WHERE s.ahead > s.next_at
	   AND d.endpoint_id = s.endpoint_id AND d.sequence = s.sequence AND d.state = 'waiting' AND d.next_at < s.ahead`

// Due gives, of each endpoint wanted that the worker holds, up to Limit deliveries
// that are due, the longest due first, in the order of wants. It leaves out those in
// Not and those behind an earlier one of the same payment and endpoint that still
// waits, so of a payment an endpoint hears in order; and an endpoint that asked for a
// pause.
func (db *DB) Due(ctx context.Context, worker string, wants []payment.DeliveryWant) ([]payment.WebhookDelivery, error) {
	var c wantColumns
	for _, want := range wants {
		c.add(want)
	}
	switch {
	case len(c.endpoints) == 0:
		return nil, nil
	case c.rows > BatchMax:
		return nil, refused("due deliveries: %d are asked for or under way, at most %d are allowed", c.rows, BatchMax)
	}
	var due []payment.WebhookDelivery
	err := db.call(ctx, "read due deliveries", func(ctx context.Context, q querier) error {
		rows, err := q.Query(ctx, dueSQL, worker, c.endpoints, c.limits, c.lookAheads, c.busy, c.underWay)
		if err != nil {
			return err
		}
		due, err = pgx.CollectRows(rows, scanDue)
		return err
	})
	if err != nil {
		return nil, err
	}
	return due, db.putOff(ctx, worker, c.without(due))
}

// putOff clears what is in the way at endpoints that gave nothing.
func (db *DB) putOff(ctx context.Context, worker string, silent wantColumns) error {
	if len(silent.endpoints) == 0 {
		return nil
	}
	return db.call(ctx, "put deliveries off", func(ctx context.Context, q querier) error {
		_, err := q.Exec(ctx, putOffSQL, worker, silent.endpoints, silent.lookAheads, crowdedMax)
		return err
	})
}

// wantColumns are wants turned into the arrays that unnest takes.
type wantColumns struct {
	endpoints          []string
	limits, lookAheads []int32
	busy               []string // the endpoints of those under way
	underWay           []int64
	rows               int
}

func (c *wantColumns) add(want payment.DeliveryWant) {
	if want.Limit <= 0 {
		return
	}
	limit := min(want.Limit, BatchMax)
	c.endpoints = append(c.endpoints, string(want.Endpoint))
	c.limits = append(c.limits, int32(limit))
	c.lookAheads = append(c.lookAheads, int32(lookAheadMax+len(want.Not))) //nolint:gosec // refused beyond BatchMax
	for _, sequence := range want.Not {
		c.busy = append(c.busy, string(want.Endpoint))
		c.underWay = append(c.underWay, sequence)
	}
	c.rows += limit + len(want.Not)
}

// without gives the endpoints for which nothing was found.
func (c *wantColumns) without(due []payment.WebhookDelivery) (silent wantColumns) {
	found := map[string]bool{}
	for _, d := range due {
		found[string(d.Endpoint)] = true
	}
	for i, endpoint := range c.endpoints {
		if !found[endpoint] {
			silent.endpoints = append(silent.endpoints, endpoint)
			silent.lookAheads = append(silent.lookAheads, c.lookAheads[i])
		}
	}
	return silent
}

// scanDue reads what dueSQL gives. Of a test the delivery knows what there is.
func scanDue(row pgx.CollectableRow) (payment.WebhookDelivery, error) {
	d := payment.WebhookDelivery{State: payment.DeliveryWaiting}
	var test payment.Event
	var err error
	d.Event, err = scanEvent(row.Scan, &d.Endpoint, &test.Sequence, &test.Tenant, &test.Version, &test.Type, &test.At,
		&d.Attempts, &d.Tries, (*zeronull.Timestamptz)(&d.NextAt), &d.UpdatedAt)
	if d.Event.Sequence == 0 {
		d.Event = test
		d.Event.At = test.At.UTC()
	}
	d.NextAt, d.UpdatedAt = d.NextAt.UTC(), d.UpdatedAt.UTC()
	return d, err
}
