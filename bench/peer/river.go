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
	return openRiver(ctx, pool, river.Config{})
}

// openRiver makes River's tables and a client with these settings.
func openRiver(ctx context.Context, pool *pgxpool.Pool, cfg river.Config) (riverQueue, error) {
	driver, silent := riverpgxv5.New(pool), slog.New(slog.DiscardHandler)
	migrator, err := rivermigrate.New(driver, &rivermigrate.Config{Logger: silent})
	if err != nil {
		return riverQueue{}, fmt.Errorf("river's migrations: %w", err)
	}
	if _, err := migrator.Migrate(ctx, rivermigrate.DirectionUp, nil); err != nil {
		return riverQueue{}, fmt.Errorf("river's migrations: %w", err)
	}
	cfg.Logger = silent
	client, err := river.NewClient(driver, &cfg)
	if err != nil {
		return riverQueue{}, fmt.Errorf("river: %w", err)
	}
	return riverQueue{client: client}, nil
}

// unique lets one job in per order.
var unique = river.InsertOpts{UniqueOpts: river.UniqueOpts{ByArgs: true}}

func (q riverQueue) keep(ctx context.Context, o order) (bool, error) {
	inserted, err := q.client.Insert(ctx, o, &unique)
	if err != nil {
		return false, fmt.Errorf("river insert: %w", err)
	}
	return inserted.UniqueSkippedAsDuplicate, nil
}

func (q riverQueue) keepAll(ctx context.Context, orders []order) (duplicates []bool, err error) {
	jobs := make([]river.InsertManyParams, len(orders))
	for i, o := range orders {
		jobs[i] = river.InsertManyParams{Args: o, InsertOpts: &unique}
	}
	inserted, err := q.client.InsertMany(ctx, jobs)
	if err != nil {
		return nil, fmt.Errorf("river insert: %w", err)
	}
	for _, job := range inserted {
		duplicates = append(duplicates, job.UniqueSkippedAsDuplicate)
	}
	return duplicates, nil
}
