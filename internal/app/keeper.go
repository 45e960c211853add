package app

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/paybuf/paybuf/internal/local"
)

// postgresPause is between two tries to start a Postgres that has ended.
const postgresPause = time.Second

// postgresKeeper starts dev's Postgres again when it ends by itself, so that an
// out-of-memory kill is an outage of a second and not of a night. Meanwhile
// payments are accepted and wait.
type postgresKeeper struct {
	cfg    local.PostgresConfig
	fatal  chan<- error
	cancel context.CancelFunc
	wg     sync.WaitGroup

	mu sync.Mutex
	pg *local.Postgres
}

func keepPostgres(pg *local.Postgres, cfg local.PostgresConfig, fatal chan<- error) *postgresKeeper {
	ctx, cancel := context.WithCancel(context.Background())
	k := &postgresKeeper{cfg: cfg, fatal: fatal, cancel: cancel, pg: pg}
	k.wg.Go(func() { k.run(ctx) })
	return k
}

func (k *postgresKeeper) run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-k.current().Exited():
		}
		k.cfg.Logger.Error("Postgres has ended; starting it again")
		if err := k.restart(ctx); err != nil {
			return
		}
	}
}

// restart tries until it succeeds or ctx ends.
func (k *postgresKeeper) restart(ctx context.Context) error {
	old := k.current()
	for {
		_ = old.Stop(ctx) // it has ended; this lets go of the directory
		pg, err := local.StartPostgres(ctx, k.cfg)
		if err == nil {
			if pg.URL() != old.URL() {
				k.fatal <- errors.New("postgres had to take another port; start dev again")
			}
			k.mu.Lock()
			k.pg = pg
			k.mu.Unlock()
			return nil
		}
		k.cfg.Logger.Error("start Postgres", slog.Any("error", err))
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(postgresPause):
		}
	}
}

func (k *postgresKeeper) current() *local.Postgres {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.pg
}

func (k *postgresKeeper) stop(ctx context.Context) {
	k.cancel()
	k.wg.Wait()
	if err := k.current().Stop(ctx); err != nil {
		k.cfg.Logger.Warn("stop Postgres", slog.Any("error", err))
	}
}
