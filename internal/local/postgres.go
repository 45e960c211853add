package local

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
)

// PostgresConfig says where and how to run a private Postgres cluster.
type PostgresConfig struct {
	// Dir holds the cluster and what belongs to it. It is made if missing.
	Dir string
	// Fast turns off all that makes commits survive a power cut: for tests only.
	// They do survive the killing of processes.
	Fast bool
	// StopWithParent has the kernel stop Postgres when our process dies (on
	// Linux). Without it Postgres goes on, and the next start takes it over.
	StopWithParent bool
	// Logger hears of take-overs and recoveries; nil means slog.Default.
	Logger *slog.Logger
}

// Postgres is a running private cluster, which no other process can open until
// it is stopped or our process ends.
type Postgres struct {
	url    string
	server *postmaster
	lock   *fileLock
}

// StartPostgres starts the cluster under cfg.Dir and returns once it answers
// connections; it creates the cluster first if there is none. A Postgres that
// an earlier process left running is taken over. Root runs it as the user
// "postgres" or "nobody"; if that user cannot reach Dir, the cluster is kept
// under /var/lib/paybuf and Dir/postgres is a symlink to it.
//
// Errors: ErrNoPrograms if Postgres is not installed, ErrInUse if another
// process has the cluster open for longer than a few seconds; one about a
// failed start quotes the end of Postgres' log.
func StartPostgres(ctx context.Context, cfg PostgresConfig) (*Postgres, error) {
	if cfg.Dir == "" {
		return nil, errors.New("start Postgres: no directory given")
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.Default()
	}
	p, err := locate(cfg.Dir)
	if err != nil {
		return nil, fmt.Errorf("start Postgres: %w", err)
	}
	held, err := lock(ctx, p.lockFile())
	if err != nil {
		return nil, fmt.Errorf("start Postgres: %w", err)
	}
	s := starter{cfg: cfg, place: p}
	server, err := s.start(ctx)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("start Postgres in %s: %w", p.dir, err), held.release())
	}
	return &Postgres{url: s.url(), server: server, lock: held}, nil
}

// URL is what a client connects with: the role paybuf, owner of the database
// paybuf, with its password, on 127.0.0.1.
func (p *Postgres) URL() string { return p.url }

// PID is the process id of the postmaster.
func (p *Postgres) PID() int { return p.server.process.Pid }

// Exited is closed when the postmaster has ended, whether by Stop or by itself.
func (p *Postgres) Exited() <-chan struct{} { return p.server.exited }

// Stop shuts Postgres down and waits for it, also one that was taken over.
// Clients are disconnected. If ctx ends first, Postgres is made to quit at once
// and the error says so; no commit is lost, but the next start has to recover.
// A second Stop does nothing.
func (p *Postgres) Stop(ctx context.Context) error {
	if err := errors.Join(p.server.stop(ctx), p.lock.release()); err != nil {
		return fmt.Errorf("stop Postgres: %w", err)
	}
	return nil
}
