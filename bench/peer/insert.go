package peer

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5/pgxpool"
)

// One index, on what must be unique: there is no leaner table that does the job.
const createTableSQL = `
	CREATE TABLE IF NOT EXISTS orders (
		order_number   text COLLATE "C" PRIMARY KEY,
		amount         bigint      NOT NULL,
		currency       text        NOT NULL,
		payment_method text        NOT NULL,
		customer       text        NOT NULL,
		description    text        NOT NULL,
		metadata       jsonb,
		state          text        NOT NULL DEFAULT 'queued',
		accepted_at    timestamptz NOT NULL DEFAULT now()
	)`

const insertSQL = `
	INSERT INTO orders (order_number, amount, currency, payment_method, customer, description, metadata)
	VALUES ($1, $2, $3, $4, $5, $6, $7)
	ON CONFLICT DO NOTHING`

// inserter is one statement per order, which is one transaction. It does not look
// at what a duplicate's first body was.
type inserter struct{ pool *pgxpool.Pool }

func newInserter(ctx context.Context, pool *pgxpool.Pool) (inserter, error) {
	if _, err := pool.Exec(ctx, createTableSQL); err != nil {
		return inserter{}, fmt.Errorf("create the table: %w", err)
	}
	return inserter{pool: pool}, nil
}

func (i inserter) keep(ctx context.Context, o order) (bool, error) {
	done, err := i.pool.Exec(ctx, insertSQL,
		o.OrderNumber, o.Amount, o.Currency, o.PaymentMethod, o.Customer, o.Description, o.Metadata)
	if err != nil {
		return false, fmt.Errorf("insert: %w", err)
	}
	return done.RowsAffected() == 0, nil
}
