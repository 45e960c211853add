package postgres

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/paybuf/paybuf/payment"
)

// urlBytesMax limits what is kept of the address that an attempt went to.
const urlBytesMax = 4000

// Endpoints are locked first, and only those of which something changes or a failure
// is told: while all goes well their rows are read and no more. Whether the worker
// holds one that it tells a failure of is asked under that lock, which whoever takes
// the endpoint needs, too.
//
// Deliveries are changed in the order of their keys, in which the arrays come: the
// session joins by loops only. A row that has changed since the attempt began has
// been queued again by its owner, or has this result already; a failure says nothing
// about it then. Nor does "gone" about an endpoint that its owner has changed since.
//
// What comes next in the line of a delivery that has ended was put off, maybe, and its
// next with it (see putOffSQL).
const recordSQL = `
	WITH result AS MATERIALIZED (
		SELECT * FROM unnest($3::text[], $4::bigint[], $5::text[], $6::timestamptz[], $7::bigint[], $8::bigint[], $9::integer[],
		                     $10::text[], $11::text[], $12::text[], $13::text[], $14::bigint[], $15::bigint[], $16::boolean[])
		       AS r (endpoint_id, sequence, url, started_at, age, took_us, http_status,
		             error, excerpt, state, reason, next_in, pause, gone)
	), held AS MATERIALIZED (
		SELECT e.id, e.failing_since AS failed_before, s.well, s.pause,
		       e.worker_id = $1 AND EXISTS (SELECT FROM webhook_workers WHERE id = $1 AND leased_until > now()) AS ours,
		       CASE WHEN e.status <> 'enabled' THEN ''
		            WHEN e.updated_at <= now() - s.gone_age * interval '1 microsecond' THEN 'gone'
		            WHEN $2::bigint > 0 AND NOT s.well AND e.failing_since < now() - $2::bigint * interval '1 microsecond'
		             AND e.status_at < now() - $2::bigint * interval '1 microsecond' THEN 'failing'
		            ELSE '' END AS ends
		  FROM (SELECT endpoint_id, bool_or(state = 'delivered') AS well, bool_or(state <> 'delivered') AS ill,
		               max(pause) AS pause, min(age) FILTER (WHERE gone) AS gone_age
		          FROM result GROUP BY endpoint_id) s
		  JOIN webhook_endpoints e ON e.id = s.endpoint_id AND (s.ill OR e.failing_since IS NOT NULL)
		 ORDER BY e.id
		   FOR NO KEY UPDATE OF e
	), recorded AS (
		UPDATE webhook_deliveries d
		   SET state = r.state, reason = r.reason, attempts = d.attempts + 1, tries = d.tries + 1,
		       next_at = CASE r.state WHEN 'waiting' THEN now() + r.next_in * interval '1 microsecond' END,
		       updated_at = now()
		  FROM result r
		 WHERE d.endpoint_id = r.endpoint_id AND d.sequence = r.sequence AND d.state = 'waiting'
		   AND (r.state = 'delivered'
		        OR (d.updated_at <= now() - r.age * interval '1 microsecond'
		            AND EXISTS (SELECT FROM held h WHERE h.id = r.endpoint_id AND h.ours)))
		RETURNING d.endpoint_id, d.sequence, d.payment_id, d.attempts, d.state,
		          r.url, r.started_at, r.took_us, r.http_status, r.error, r.excerpt
	), attempted AS (
		INSERT INTO webhook_attempts (endpoint_id, sequence, number, url, started_at, took_us, http_status, error, excerpt)
		SELECT endpoint_id, sequence, attempts, url, started_at, took_us, http_status, error, excerpt
		  FROM recorded
	), next_in_line AS (
		UPDATE webhook_deliveries d
		   SET next_at = now()
		  FROM recorded r
		 CROSS JOIN LATERAL (
			SELECT sequence FROM webhook_deliveries
			 WHERE endpoint_id = r.endpoint_id AND payment_id = r.payment_id AND sequence > r.sequence AND state = 'waiting'
			 ORDER BY sequence
			 LIMIT 1) n
		 WHERE r.state <> 'waiting' AND r.payment_id <> ''
		   AND d.endpoint_id = r.endpoint_id AND d.sequence = n.sequence AND d.state = 'waiting' AND d.next_at > now()
	), changed AS (
		UPDATE webhook_endpoints e
		   SET failing_since = CASE WHEN NOT h.well THEN coalesce(e.failing_since, now()) END,
		       resume_at = CASE WHEN h.ours AND h.pause > 0
		                        THEN greatest(e.resume_at, now() + h.pause * interval '1 microsecond') ELSE e.resume_at END,
		       status = CASE WHEN h.ours AND h.ends <> '' THEN 'disabled' ELSE e.status END,
		       status_reason = CASE WHEN h.ours AND h.ends <> '' THEN h.ends ELSE e.status_reason END,
		       status_at = CASE WHEN h.ours AND h.ends <> '' THEN now() ELSE e.status_at END,
		       updated_at = CASE WHEN h.ours AND h.ends <> '' THEN now() ELSE e.updated_at END
		  FROM held h
		 WHERE e.id = h.id
		   AND ((h.well AND h.failed_before IS NOT NULL)
		        OR (h.ours AND (h.ends <> '' OR h.pause > 0 OR (NOT h.well AND h.failed_before IS NULL))))
	)
	SELECT id FROM held WHERE ours AND ends <> ''`

// Record writes results, each with its row in the log of attempts, in one commit. Each is about
// another delivery. One that succeeded counts whoever sent it, if the delivery still
// waits; any other only while the worker holds the endpoint, and if the delivery has
// not been queued anew since the attempt began. So a result may be recorded again.
//
// An endpoint that is gone, or has failed since longer ago than failingMax (0: that
// disables none), is disabled, and what waits for it is dead: the first thousands at
// once, and the rest by SweepDeliveries.
func (db *DB) Record(
	ctx context.Context, worker string, results []payment.DeliveryResult, failingMax time.Duration,
) error {
	if len(results) == 0 {
		return nil
	}
	if n := len(results); n > BatchMax {
		return refused("record deliveries: %d results, at most %d are allowed", n, BatchMax)
	}
	results = slices.SortedFunc(slices.Values(results), byDelivery)
	var c resultColumns
	for i, result := range results {
		if i > 0 && byDelivery(results[i-1], result) == 0 {
			return refused("record deliveries: event %d of %s is in the batch twice", result.Attempt.Sequence, result.Attempt.Endpoint)
		}
		if err := c.add(result); err != nil {
			return err
		}
	}
	ended, err := db.record(ctx, worker, c, failingMax)
	if err != nil || len(ended) == 0 {
		return err
	}
	_, err = db.buryWaiting(ctx, ended)
	return err
}

// record runs the statement, and gives the endpoints that it has disabled.
func (db *DB) record(
	ctx context.Context, worker string, c resultColumns, failingMax time.Duration,
) (ended []payment.EndpointID, err error) {
	err = db.call(ctx, "record deliveries", func(ctx context.Context, q querier) error {
		rows, err := q.Query(ctx, recordSQL, worker, max(0, failingMax).Microseconds(), c.endpoints, c.sequences, c.urls,
			c.startedAts, c.ages(), c.tookUs, c.httpStatuses, c.errors, c.excerpts, c.states, c.reasons, c.nextIns,
			c.pauses, c.gones)
		if err != nil {
			return err
		}
		ended, err = pgx.CollectRows(rows, pgx.RowTo[payment.EndpointID])
		return err
	})
	return ended, err
}

func byDelivery(a, b payment.DeliveryResult) int {
	return cmp.Or(cmp.Compare(a.Attempt.Endpoint, b.Attempt.Endpoint), cmp.Compare(a.Attempt.Sequence, b.Attempt.Sequence))
}

// resultColumns are results turned into the arrays that unnest takes.
type resultColumns struct {
	endpoints        []string
	sequences        []int64
	urls             []string
	startedAts       []time.Time
	tookUs           []int64
	httpStatuses     []int32
	errors, excerpts []string
	states, reasons  []string
	nextIns, pauses  []int64 // microseconds
	gones            []bool
}

func (c *resultColumns) add(r payment.DeliveryResult) error {
	switch r.State {
	case payment.DeliveryDelivered, payment.DeliveryWaiting, payment.DeliveryDead:
	default:
		return refused("record deliveries: a delivery cannot be %q", r.State)
	}
	if dead := r.State == payment.DeliveryDead; dead != (r.Reason != "") {
		return refused("record deliveries: one that is %s has the reason %q", r.State, r.Reason)
	}
	c.endpoints = append(c.endpoints, string(r.Attempt.Endpoint))
	c.sequences = append(c.sequences, r.Attempt.Sequence)
	c.urls = append(c.urls, storable(r.Attempt.URL, urlBytesMax))
	c.startedAts = append(c.startedAts, r.Attempt.StartedAt)
	c.tookUs = append(c.tookUs, r.Attempt.Took.Microseconds())
	c.httpStatuses = append(c.httpStatuses, int32(r.Attempt.HTTPStatus)) //nolint:gosec // three digits
	c.errors = append(c.errors, storable(r.Attempt.Error, payerTextBytesMax))
	c.excerpts = append(c.excerpts, storable(r.Attempt.Excerpt, payment.EvidenceBytesMax))
	c.states = append(c.states, string(r.State))
	c.reasons = append(c.reasons, r.Reason)
	c.nextIns = append(c.nextIns, max(0, r.NextIn).Microseconds())
	c.pauses = append(c.pauses, max(0, r.PauseFor).Microseconds())
	c.gones = append(c.gones, r.Gone)
	return nil
}

// ages tell how many microseconds ago each attempt began, by this process's clock:
// the database subtracts them from its own, so the two need not agree.
func (c *resultColumns) ages() []int64 {
	ages := make([]int64, len(c.startedAts))
	for i, at := range c.startedAts {
		ages[i] = max(0, time.Since(at)).Microseconds()
	}
	return ages
}
