package postgres

import (
	"context"
	"time"

	"github.com/paybuf/paybuf/payment"
)

// The attempt of a lease that ran out ends as unknown: its holder may have been
// heard, but no later than now. Its row is there already if the holder was a binary
// that made it with the claim. CASEs see the row as it was.
var leaseSQL = `
	WITH due AS (
		SELECT id, state AS was, last_attempt_at AS began, state IN ('retrying', 'scheduled') AS sends
		  FROM payments
		 WHERE next_at <= now()
		 ORDER BY next_at
		 LIMIT $1
		   FOR UPDATE SKIP LOCKED
	), leased AS (
		UPDATE payments p
		   SET state = CASE WHEN due.sends THEN 'paying' WHEN due.was = 'paying' THEN 'unknown' ELSE p.state END,
		       version = p.version + 1,
		       attempts = p.attempts + due.sends::integer,
		       lookups = CASE WHEN due.sends THEN 0 ELSE p.lookups END,
		       first_attempt_at = CASE WHEN due.sends THEN coalesce(p.first_attempt_at, now()) ELSE p.first_attempt_at END,
		       last_attempt_at = CASE WHEN due.sends OR due.was = 'paying' THEN now() ELSE p.last_attempt_at END,
		       next_at = now() + $2::bigint * interval '1 microsecond',
		       updated_at = now()
		  FROM due
		 WHERE p.id = due.id
		RETURNING ` + workColumns + `, due.was, due.began
	), lost AS (
		INSERT INTO attempts (payment_id, version, kind, number, started_at, ended_at, verdict, excerpt)
		SELECT id, version - 1, 'charge', attempts, began, updated_at, 'unknown', 'lease ran out'
		  FROM leased
		 WHERE was = 'paying'
		    ON CONFLICT (payment_id, version) DO UPDATE
		   SET ended_at = excluded.ended_at, verdict = excluded.verdict, excerpt = excluded.excerpt
		 WHERE attempts.ended_at IS NULL
	), ` + told(`SELECT id, tenant_id, version, 'payment.' || state, state, was, NULL::jsonb, updated_at
		  FROM leased WHERE was <> state`) + `
	SELECT ` + workColumns + ` FROM leased p`

// Lease takes over up to limit payments that are due, the longest due first, and
// gives them to the caller until the lease ends. What was retrying or scheduled comes
// back as Paying with a new attempt on record; what was paying when its lease ran out
// comes back as Unknown; what is unknown or pending stays so. No payment is given
// to two callers: its former holder's version is out of date.
func (db *DB) Lease(ctx context.Context, limit int, lease time.Duration) ([]payment.Work, error) {
	if limit <= 0 {
		return nil, nil
	}
	if err := checkLease(lease); err != nil {
		return nil, err
	}
	var works []payment.Work
	err := db.call(ctx, "lease due payments", func(ctx context.Context, q querier) (err error) {
		works, err = readWorks(ctx, q, leaseSQL, min(limit, BatchMax), lease.Microseconds())
		return err
	})
	if err == nil {
		db.tellLeased(works)
	}
	return works, err
}
