package postgres

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/paybuf/paybuf/internal/fault"
)

// BatchMax is how many rows one call may write.
const BatchMax = 10_000

const (
	clashRetriesMax = 6
	clashPauseMin   = 5 * time.Millisecond // doubles with each retry
)

var errCallSlow = errors.New("the database took longer than the call may")

// querier is a connection, a pool of them or a transaction.
type querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
	Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error)
}

// call runs a single statement, which is a transaction of its own.
func (db *DB) call(ctx context.Context, doing string, statement func(context.Context, querier) error) error {
	return db.bounded(ctx, doing, func(ctx context.Context) error {
		return statement(ctx, db.pool)
	})
}

// transact runs several statements that are committed together.
func (db *DB) transact(ctx context.Context, doing string, statements func(context.Context, querier) error) error {
	return db.bounded(ctx, doing, func(ctx context.Context) error {
		return pgx.BeginFunc(ctx, db.pool, func(tx pgx.Tx) error { return uncommitted(ctx, tx, statements) })
	})
}

// uncommitted runs the statements of a transaction.
func uncommitted(ctx context.Context, tx pgx.Tx, statements func(context.Context, querier) error) error {
	err := statements(ctx, tx)
	fault.At(fault.PostgresCommit)
	return err
}

// bounded gives a call its deadline, repeats it if it clashed with another, and
// codes its error.
func (db *DB) bounded(ctx context.Context, doing string, do func(context.Context) error) error {
	ctx, cancel := context.WithTimeoutCause(ctx, db.cfg.CallTimeout, errCallSlow)
	defer cancel()
	err := retryClashes(ctx, do)
	if err == nil {
		return nil
	}
	if is(err, readOnlyTransaction, adminShutdown, crashShutdown, cannotConnectNow) {
		// This server is no longer the primary, or is going away: what the other
		// idle connections lead to is no better.
		db.pool.Reset()
	}
	return coded(ctx, doing, err)
}

// retryClashes repeats what the server rolled back because of another
// transaction. Nothing else is repeated: after any other error the first try may
// have been committed, and only the caller knows what that means.
func retryClashes(ctx context.Context, do func(context.Context) error) error {
	pause := clashPauseMin
	for range clashRetriesMax {
		err := do(ctx)
		if !is(err, serializationFailure, deadlockDetected) {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(pause/2 + rand.N(pause)): //nolint:gosec // jitter, no secret
		}
		pause *= 2
	}
	return do(ctx)
}
