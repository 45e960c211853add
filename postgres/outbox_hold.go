package postgres

import (
	"context"
	"crypto/rand"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/paybuf/paybuf/payment"
)

const (
	// ringStepsMax limits the endpoints that one Hold asks whether something is due.
	ringStepsMax = 2000
	// expiredWorkersMax limits the workers that one Hold clears away.
	expiredWorkersMax = 100
)

const leaseWorkerSQL = `
	INSERT INTO webhook_workers AS k (id, leased_until)
	VALUES ($1, now() + $2::bigint * interval '1 microsecond')
	    ON CONFLICT (id) DO UPDATE SET leased_until = excluded.leased_until`

// A worker that extends its lease at this moment has its row locked.
const expiredWorkersSQL = `
	SELECT id FROM webhook_workers
	 WHERE leased_until < now() AND id <> $1
	 ORDER BY id
	 LIMIT $2
	   FOR UPDATE SKIP LOCKED`

// freeEndpointsSQL reads all endpoints, also those that are disabled: one that is
// enabled again must not belong to a worker that nobody knows any more.
const freeEndpointsSQL = `
	UPDATE webhook_endpoints e
	   SET worker_id = ''
	  FROM (SELECT id FROM webhook_endpoints WHERE worker_id = ANY ($1) ORDER BY id FOR NO KEY UPDATE) f
	 WHERE e.id = f.id`

const forgetWorkersSQL = `DELETE FROM webhook_workers WHERE id = ANY ($1)`

// heldColumns are what scanHeld reads, in its order.
const heldColumns = `e.id, e.tenant_id, e.url, e.description, e.event_types, e.status, e.status_reason, e.status_at,
	e.failing_since, e.resume_at, e.secret, e.secret_key, e.old_secret, e.old_secret_key, e.old_secret_until,
	e.created_at, e.updated_at`

// ring goes once around the endpoints for which something waits, from $4 on: one
// step of the due index each, whatever waits there. It begins somewhere else each
// time, so that none starves while there are more than are taken. Its row without a
// time is the beginning of the second lap. It is gone no further than needed: endpoints
// are locked one by one as it comes to them.
const holdSQL = `
	WITH RECURSIVE ring AS (
		SELECT 1 AS lap, 1 AS step, $4::text COLLATE "C" AS endpoint_id, NULL::timestamptz AS next_at
		 WHERE $2::integer > 0
		 UNION ALL
		SELECT r.lap + (n.endpoint_id IS NULL)::integer, r.step + 1, coalesce(n.endpoint_id, ''), n.next_at
		  FROM ring r
		  LEFT JOIN LATERAL (
			SELECT d.endpoint_id, d.next_at FROM webhook_deliveries d
			 WHERE d.state = 'waiting' AND d.endpoint_id > r.endpoint_id
			 ORDER BY d.endpoint_id, d.next_at, d.sequence
			 LIMIT 1) n ON true
		 WHERE r.step < $3::integer AND (r.lap = 1 OR r.lap = 2 AND r.endpoint_id < $4)
	), free AS (
		SELECT e.id
		  FROM ring r
		 CROSS JOIN LATERAL (
			SELECT id FROM webhook_endpoints
			 WHERE id = r.endpoint_id AND worker_id = '' AND status = 'enabled' AND (resume_at IS NULL OR resume_at <= now())
			   FOR NO KEY UPDATE SKIP LOCKED) e
		 WHERE r.next_at <= now()
		 LIMIT $2::integer
	), taken AS (
		UPDATE webhook_endpoints e
		   SET worker_id = $1
		  FROM free f
		 WHERE e.id = f.id
		RETURNING ` + heldColumns + `
	)
	SELECT ` + heldColumns + ` FROM webhook_endpoints e WHERE e.worker_id = $1 AND e.status = 'enabled'
	 UNION ALL
	SELECT ` + heldColumns + ` FROM taken e`

// Hold makes or extends the worker's lease and gives the enabled endpoints that it
// holds now, as they are now: those that it held, and up to more others for which
// something is due and that nobody holds, whichever come first from a random one on.
//
// A worker whose lease has run out holds nothing any more as soon as another worker
// has seen it: what it held is free, and it is forgotten. If it comes back, it begins
// anew. Two workers never hold an endpoint at the same time.
func (db *DB) Hold(ctx context.Context, worker string, lease time.Duration, more int) ([]payment.Endpoint, error) {
	if err := checkLease(lease); err != nil {
		return nil, err
	}
	if worker == "" {
		return nil, refused("hold endpoints: the worker has no name")
	}
	var held []payment.Endpoint
	err := db.transact(ctx, "hold endpoints", func(ctx context.Context, q querier) error {
		if _, err := q.Exec(ctx, leaseWorkerSQL, worker, lease.Microseconds()); err != nil {
			return err
		}
		if err := forgetExpired(ctx, q, worker); err != nil {
			return err
		}
		// The statement must see what was free when this worker's lease was made.
		rows, err := q.Query(ctx, holdSQL, worker, min(max(more, 0), BatchMax), ringStepsMax, randomEndpoint())
		if err != nil {
			return err
		}
		held, err = pgx.CollectRows(rows, scanHeld)
		return err
	})
	if err != nil {
		return nil, err
	}
	return held, nil
}

// forgetExpired frees what belongs to workers whose leases have run out. A worker
// that comes back meanwhile waits until it is forgotten.
func forgetExpired(ctx context.Context, q querier, worker string) error {
	rows, err := q.Query(ctx, expiredWorkersSQL, worker, expiredWorkersMax)
	if err != nil {
		return err
	}
	expired, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil || len(expired) == 0 {
		return err
	}
	if _, err := q.Exec(ctx, freeEndpointsSQL, expired); err != nil {
		return err
	}
	_, err = q.Exec(ctx, forgetWorkersSQL, expired)
	return err
}

// randomEndpoint is a place among the ids of endpoints.
func randomEndpoint() string { return "whe_" + strings.ToLower(rand.Text()) }

const leaveSQL = `
	UPDATE webhook_endpoints e
	   SET worker_id = ''
	  FROM (SELECT id FROM webhook_endpoints WHERE worker_id = $1 AND id = ANY ($2) ORDER BY id FOR NO KEY UPDATE) f
	 WHERE e.id = f.id`

// Leave gives endpoints back; all of the worker's, and its lease, if none is named.
func (db *DB) Leave(ctx context.Context, worker string, endpoints []payment.EndpointID) error {
	if len(endpoints) > 0 {
		return db.call(ctx, "leave endpoints", func(ctx context.Context, q querier) error {
			_, err := q.Exec(ctx, leaveSQL, worker, endpoints)
			return err
		})
	}
	return db.transact(ctx, "leave all endpoints", func(ctx context.Context, q querier) error {
		if _, err := q.Exec(ctx, forgetWorkersSQL, []string{worker}); err != nil {
			return err
		}
		_, err := q.Exec(ctx, freeEndpointsSQL, []string{worker})
		return err
	})
}

// scanHeld reads heldColumns.
func scanHeld(row pgx.CollectableRow) (payment.Endpoint, error) {
	var e payment.Endpoint
	var failingSince, resumeAt, oldUntil *time.Time
	var oldKey *string
	err := row.Scan(&e.ID, &e.Tenant, &e.URL, &e.Description, &e.EventTypes, &e.Status, &e.StatusReason, &e.StatusAt,
		&failingSince, &resumeAt, &e.Secret.Data, &e.Secret.KeyID, &e.OldSecret.Data, &oldKey, &oldUntil,
		&e.CreatedAt, &e.UpdatedAt)
	if oldKey != nil {
		e.OldSecret.KeyID = *oldKey
	}
	e.StatusAt, e.CreatedAt, e.UpdatedAt = e.StatusAt.UTC(), e.CreatedAt.UTC(), e.UpdatedAt.UTC()
	e.FailingSince, e.ResumeAt, e.OldSecretUntil = instant(failingSince), instant(resumeAt), instant(oldUntil)
	return e, err
}
