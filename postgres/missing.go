package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/paybuf/paybuf/payment"
)

const missingSQL = `
	SELECT asked.id
	  FROM unnest($1::text[]) AS asked (id)
	 WHERE NOT EXISTS (SELECT FROM payments p WHERE p.id = asked.id)
	   AND NOT EXISTS (SELECT FROM dead_letters d WHERE d.payment_id = asked.id)
	 ORDER BY asked.id COLLATE "C"`

// Missing gives those of ids that the ledger has never heard of: neither as a
// payment nor as a dead letter.
func (db *DB) Missing(ctx context.Context, ids []payment.ID) ([]payment.ID, error) {
	return missingOf(ctx, db, missingSQL, ids)
}

// missingOf asks one of the questions what is missing.
func missingOf[T ~string](ctx context.Context, db *DB, question string, ids []T) ([]T, error) {
	if n := len(ids); n > BatchMax {
		return nil, refused("missing: %d ids, at most %d are allowed", n, BatchMax)
	}
	asked := make([]string, len(ids))
	for i, id := range ids {
		asked[i] = storable(string(id), payerTextBytesMax)
	}
	var missing []T
	err := db.call(ctx, "look for what is missing", func(ctx context.Context, q querier) error {
		rows, err := q.Query(ctx, question, asked)
		if err != nil {
			return err
		}
		missing, err = pgx.CollectRows(rows, pgx.RowTo[T])
		return err
	})
	return missing, err
}
