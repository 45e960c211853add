package outcome

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// IDs gives the ids of Paybuf's payments in a state, in their own order, which is none.
func (l *Ledger) IDs(ctx context.Context, state string, limit int) ([]string, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, readTimeout, errReadSlow)
	defer cancel()
	rows, err := l.conn.Query(ctx, "SELECT id FROM payments WHERE state = $1 ORDER BY id LIMIT $2", state, limit)
	if err != nil {
		return nil, fmt.Errorf("ids: %w", err)
	}
	ids, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return nil, fmt.Errorf("ids: %w", errors.Join(err, context.Cause(ctx)))
	}
	return ids, nil
}
