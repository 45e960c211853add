package peer

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivermigrate"
)

// Kind makes an order the arguments of a River job.
func (order) Kind() string { return "pay" }

// riverQueue inserts a unique job per order, by River's own means and defaults.
// Nobody works the jobs.
type riverQueue struct{ client *river.Client[pgx.Tx] }

func newRiverQueue(ctx context.Context, pool *pgxpool.Pool) (riverQueue, error) {
	driver, silent := riverpgxv5.New(pool), slog.New(slog.DiscardHandler)
	migrator, err := rivermigrate.New(driver, &rivermigrate.Config{Logger: silent})
	if err != nil {
		return riverQueue{}, fmt.Errorf("river's migrations: %w", err)
	}
	if _, err := migrator.Migrate(ctx, rivermigrate.DirectionUp, nil); err != nil {
		return riverQueue{}, fmt.Errorf("river's migrations: %w", err)
	}
	client, err := river.NewClient(driver, &river.Config{Logger: silent})
	if err != nil {
		return riverQueue{}, fmt.Errorf("river: %w", err)
	}
	return riverQueue{client: client}, nil
}

func (q riverQueue) keep(ctx context.Context, o order) (bool, error) {
	inserted, err := q.client.Insert(ctx, o, &river.InsertOpts{UniqueOpts: river.UniqueOpts{ByArgs: true}})
	if err != nil {
		return false, fmt.Errorf("river insert: %w", err)
	}
	return inserted.UniqueSkippedAsDuplicate, nil
}
