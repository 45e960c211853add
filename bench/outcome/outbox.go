package outcome

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// Outbox is a connection to Paybuf's Postgres that reads what became of the webhooks, and
// puts them back to where they were before any was sent.
type Outbox struct{ conn *pgx.Conn }

// OpenOutbox connects to the database at a URL.
func OpenOutbox(ctx context.Context, url string) (*Outbox, error) {
	l, err := Open(ctx, url, Paybuf)
	if err != nil {
		return nil, err
	}
	return &Outbox{conn: l.conn}, nil
}

// Close ends the connection.
func (o *Outbox) Close(ctx context.Context) error { return o.conn.Close(ctx) }

// keepSQL copies what Restore puts back.
var keepSQL = []string{
	`CREATE SCHEMA bench`,
	`CREATE TABLE bench.webhook_deliveries AS TABLE webhook_deliveries`,
	`CREATE TABLE bench.webhook_endpoints AS TABLE webhook_endpoints`,
}

// Keep remembers all deliveries and endpoints as they are. It may be called once.
func (o *Outbox) Keep(ctx context.Context) error { return o.run(ctx, keepSQL) }

// restoreSQL leaves the tables as if nobody had ever sent anything.
var restoreSQL = []string{
	`TRUNCATE webhook_deliveries, webhook_attempts, webhook_workers, webhook_endpoints`,
	`INSERT INTO webhook_endpoints SELECT * FROM bench.webhook_endpoints`,
	`INSERT INTO webhook_deliveries SELECT * FROM bench.webhook_deliveries`,
	`VACUUM ANALYZE webhook_endpoints`,
	`VACUUM ANALYZE webhook_deliveries`,
}

// Restore puts all deliveries and endpoints back as they were kept, except that the
// deliveries are due a time from now. No process may send meanwhile.
func (o *Outbox) Restore(ctx context.Context, dueIn time.Duration) error {
	due := fmt.Sprintf("UPDATE bench.webhook_deliveries SET next_at = now() + interval '%d ms' WHERE state = 'waiting'", dueIn.Milliseconds())
	return o.run(ctx, append([]string{due}, restoreSQL...))
}

func (o *Outbox) run(ctx context.Context, statements []string) error {
	ctx, cancel := context.WithTimeoutCause(ctx, readTimeout, errReadSlow)
	defer cancel()
	for _, sql := range statements {
		if _, err := o.conn.Exec(ctx, sql); err != nil {
			return fmt.Errorf("outbox: %w", errors.Join(err, context.Cause(ctx)))
		}
	}
	return nil
}

const deliveriesSQL = `
	SELECT count(*), count(*) FILTER (WHERE d.state = 'delivered'),
	       coalesce(max(pg_xact_commit_timestamp(d.xmin)) FILTER (WHERE d.state = 'delivered'), 'epoch')
	  FROM webhook_deliveries d
	  JOIN webhook_endpoints e ON e.id = d.endpoint_id
	 WHERE $1 = '' OR e.url <> $1`

// Deliveries are how far the outbox is worked off.
type Deliveries struct {
	All, Delivered int64
	Last           time.Time // when the last one was committed as delivered; the epoch if none was
}

// Deliveries counts those of all endpoints but the one with a URL, if that is not "".
func (o *Outbox) Deliveries(ctx context.Context, exceptURL string) (found Deliveries, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, readTimeout, errReadSlow)
	defer cancel()
	if err := o.conn.QueryRow(ctx, deliveriesSQL, exceptURL).Scan(&found.All, &found.Delivered, &found.Last); err != nil {
		return Deliveries{}, fmt.Errorf("outbox: %w", errors.Join(err, context.Cause(ctx)))
	}
	return found, nil
}

// Events gives when each event was committed, by its sequence.
func (o *Outbox) Events(ctx context.Context) (map[int64]time.Time, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, readTimeout, errReadSlow)
	defer cancel()
	rows, err := o.conn.Query(ctx, "SELECT sequence, pg_xact_commit_timestamp(xmin) FROM events")
	if err != nil {
		return nil, fmt.Errorf("outbox: %w", err)
	}
	commits := map[int64]time.Time{}
	var sequence int64
	var at time.Time
	_, err = pgx.ForEachRow(rows, []any{&sequence, &at}, func() error {
		commits[sequence] = at
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("outbox: %w", errors.Join(err, context.Cause(ctx)))
	}
	return commits, nil
}
