package postgres

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/paybuf/paybuf/payment"
)

const claimStatementSQL = `
	INSERT INTO statements AS s (name, digest, owner, leased_until, started_at)
	VALUES ($1, $2, $3, now() + $4::bigint * interval '1 microsecond', now())
	    ON CONFLICT (name, digest) DO UPDATE
	   SET owner = excluded.owner, leased_until = excluded.leased_until
	 WHERE s.done_at IS NULL AND (s.owner = excluded.owner OR s.leased_until < now())`

const statementDoneSQL = `SELECT done_at IS NOT NULL FROM statements WHERE name = $1 AND digest = $2`

// ClaimStatement gives a statement to its run's owner for the time of a lease,
// and again to extend it.
func (db *DB) ClaimStatement(
	ctx context.Context, run payment.StatementRun, lease time.Duration,
) (claim payment.StatementClaim, err error) {
	if err := checkLease(lease); err != nil {
		return payment.StatementHeld, err
	}
	name := storable(run.Name, payerTextBytesMax)
	err = db.call(ctx, "claim a statement", func(ctx context.Context, q querier) error {
		tag, err := q.Exec(ctx, claimStatementSQL, name, run.Digest, run.Owner, lease.Microseconds())
		if err != nil {
			return err
		}
		if tag.RowsAffected() == 1 {
			claim = payment.StatementOurs
			return nil
		}
		var done bool
		err = q.QueryRow(ctx, statementDoneSQL, name, run.Digest).Scan(&done)
		if done {
			claim = payment.StatementDone
		}
		return err
	})
	return claim, err
}

const finishStatementSQL = `
	INSERT INTO statements AS s (name, digest, owner, leased_until, period_from, period_until, lines, failure,
	                             started_at, done_at)
	VALUES ($1, $2, $3, now(), $4, $5, $6, $7, now(), now())
	    ON CONFLICT (name, digest) DO UPDATE
	   SET period_from = excluded.period_from, period_until = excluded.period_until, lines = excluded.lines,
	       failure = excluded.failure, done_at = now()`

// FinishStatement puts on record what came of a statement, so that it is not read
// again and its period counts as covered.
func (db *DB) FinishStatement(ctx context.Context, run payment.StatementRun) error {
	return db.call(ctx, "finish a statement", func(ctx context.Context, q querier) error {
		_, err := q.Exec(ctx, finishStatementSQL, storable(run.Name, payerTextBytesMax), run.Digest, run.Owner,
			orNull(run.Period.From), orNull(run.Period.Until), run.Lines, storable(run.Failure, reasonBytesMax))
		return err
	})
}

const lastStatementSQL = `SELECT done_at FROM statements WHERE failure = '' AND done_at IS NOT NULL ORDER BY done_at DESC LIMIT 1`

// LastStatement is when a reconciliation ended well for the last time; zero if
// none did.
func (db *DB) LastStatement(ctx context.Context) (time.Time, error) {
	var at time.Time
	err := db.call(ctx, "read the latest reconciliation", func(ctx context.Context, q querier) error {
		if err := q.QueryRow(ctx, lastStatementSQL).Scan(&at); !noRow(err) {
			return err
		}
		return nil
	})
	return at.UTC(), err
}

func noRow(err error) bool { return errors.Is(err, pgx.ErrNoRows) }

func orNull(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}
