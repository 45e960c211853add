package postgres

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"
)

const probeSQL = `INSERT INTO write_probes (at) VALUES (now())`

var errProbed = errors.New("roll back")

// Ping proves that the ledger takes writes: it makes one and rolls it back. A
// primary that was demoted still answers every SELECT.
func (db *DB) Ping(ctx context.Context) error {
	return db.bounded(ctx, "write a probe", func(ctx context.Context) error {
		err := pgx.BeginFunc(ctx, db.pool, func(tx pgx.Tx) error {
			if _, err := tx.Exec(ctx, probeSQL); err != nil {
				return err
			}
			return errProbed
		})
		if errors.Is(err, errProbed) {
			return nil
		}
		return err
	})
}
