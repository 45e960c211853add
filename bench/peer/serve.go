package peer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Kind names a peer.
type Kind string

// The peers.
const (
	Bare   Kind = "bare"   // stores nothing
	Insert Kind = "insert" // INSERT ... ON CONFLICT DO NOTHING through pgx
	River  Kind = "river"  // a unique job of the Postgres queue River
)

// PoolConnections is how many Postgres connections a storing peer has.
const PoolConnections = 32

const (
	setupTimeout      = 30 * time.Second
	stopTimeout       = 10 * time.Second
	readHeaderTimeout = 10 * time.Second
)

// Serve runs one peer on a free port of loopback, writes its address to out as
// one line, and serves until in ends: so it never outlives who holds the other
// end. A storing peer makes its table in the database at postgresURL.
func Serve(ctx context.Context, kind Kind, postgresURL string, in io.Reader, out io.Writer) error {
	handler, done, err := open(ctx, kind, postgresURL)
	if err != nil {
		return fmt.Errorf("peer %s: %w", kind, err)
	}
	defer done()
	var listen net.ListenConfig
	listener, err := listen.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("peer %s: %w", kind, err)
	}
	router := chi.NewRouter()
	router.Post(path, handler)
	server := &http.Server{Handler: router, ReadHeaderTimeout: readHeaderTimeout}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	if _, err := fmt.Fprintln(out, listener.Addr()); err != nil {
		return errors.Join(err, server.Close(), ignoreClosed(<-served))
	}
	_, readErr := io.Copy(io.Discard, in)
	stopping, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
	defer cancel()
	return errors.Join(readErr, server.Shutdown(stopping), ignoreClosed(<-served))
}

// open makes a peer's handler, and what to do when it is no longer needed.
func open(ctx context.Context, kind Kind, postgresURL string) (http.HandlerFunc, func(), error) {
	ctx, cancel := context.WithTimeout(ctx, setupTimeout)
	defer cancel()
	var opener func(context.Context, *pgxpool.Pool) (store, error)
	switch kind {
	case Bare:
		return bare, func() {}, nil
	case Insert:
		opener = func(ctx context.Context, pool *pgxpool.Pool) (store, error) { return newInserter(ctx, pool) }
	case River:
		opener = func(ctx context.Context, pool *pgxpool.Pool) (store, error) { return newRiverQueue(ctx, pool) }
	default:
		return nil, nil, errors.New("there is no such peer")
	}
	pool, err := connect(ctx, postgresURL)
	if err != nil {
		return nil, nil, err
	}
	s, err := opener(ctx, pool)
	if err != nil {
		pool.Close()
		return nil, nil, err
	}
	return storing(s), pool.Close, nil
}

func connect(ctx context.Context, postgresURL string) (*pgxpool.Pool, error) {
	cfg, err := pgxpool.ParseConfig(postgresURL)
	if err != nil {
		return nil, fmt.Errorf("postgres: %w", err)
	}
	cfg.MaxConns = PoolConnections
	pool, err := pgxpool.NewWithConfig(ctx, cfg)
	if err != nil {
		return nil, fmt.Errorf("postgres: %w", err)
	}
	return pool, nil
}

func ignoreClosed(err error) error {
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}
