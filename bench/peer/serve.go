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
	Bare     Kind = "bare"     // stores nothing
	Constant Kind = "constant" // is asked and not sent anything: it has one answer
	Insert   Kind = "insert"   // INSERT ... ON CONFLICT DO NOTHING through pgx
	River    Kind = "river"    // a unique job of the Postgres queue River
	Pipeline Kind = "pipeline" // the same, with workers that call the payer
)

// PoolConnections is how many Postgres connections a storing peer has.
const PoolConnections = 32

const (
	setupTimeout      = 30 * time.Second
	stopTimeout       = 10 * time.Second
	readHeaderTimeout = 10 * time.Second
)

// Outside is what a peer works with: the Postgres that a storing one makes its
// tables in, the payer of a pipeline, and the file with the constant one's answer.
type Outside struct{ PostgresURL, PayerURL, AnswerFile string }

// Serve runs one peer on a free port of loopback, writes its address to out as
// one line, and serves until in ends: so it never outlives who holds the other
// end.
func Serve(ctx context.Context, kind Kind, with Outside, in io.Reader, out io.Writer) (err error) {
	router, done, err := open(ctx, kind, with)
	if err != nil {
		return fmt.Errorf("peer %s: %w", kind, err)
	}
	defer func() { err = errors.Join(err, done()) }()
	var listen net.ListenConfig
	listener, err := listen.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("peer %s: %w", kind, err)
	}
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

// open makes a peer's routes, and what to do when it is no longer needed.
func open(ctx context.Context, kind Kind, with Outside) (http.Handler, func() error, error) {
	router := chi.NewRouter()
	if kind == Bare {
		router.Post(path, bare)
		return router, func() error { return nil }, nil
	}
	if kind == Constant {
		answer, err := readConstant(with.AnswerFile)
		if err != nil {
			return nil, nil, err
		}
		return answer, func() error { return nil }, nil
	}
	opener, known := openers[kind]
	if !known {
		return nil, nil, errors.New("there is no such peer")
	}
	setup, cancel := context.WithTimeout(ctx, setupTimeout)
	defer cancel()
	pool, err := connect(setup, with.PostgresURL)
	if err != nil {
		return nil, nil, err
	}
	s, err := opener(setup, pool, with.PayerURL)
	if err != nil {
		pool.Close()
		return nil, nil, err
	}
	router.Post(path, storing(s))
	if b, takes := s.(bulkStore); takes {
		router.Post(batchPath, storingBatches(b))
	}
	return router, func() error { defer pool.Close(); return stop(s) }, nil
}

// openers make the stores of the peers that have one.
var openers = map[Kind]func(ctx context.Context, pool *pgxpool.Pool, payerURL string) (store, error){
	Insert: func(ctx context.Context, pool *pgxpool.Pool, _ string) (store, error) { return newInserter(ctx, pool) },
	River: func(ctx context.Context, pool *pgxpool.Pool, _ string) (store, error) {
		return newRiverQueue(ctx, pool)
	},
	Pipeline: func(ctx context.Context, pool *pgxpool.Pool, payerURL string) (store, error) {
		return newPipeline(ctx, pool, payerURL)
	},
}

// stop ends what a store does by itself.
func stop(s store) error {
	working, works := s.(interface {
		stop(ctx context.Context) error
	})
	if !works {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), stopTimeout)
	defer cancel()
	return working.stop(ctx)
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
