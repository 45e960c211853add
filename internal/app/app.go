package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/paybuf/paybuf/buffer"
	"github.com/paybuf/paybuf/internal/access"
	"github.com/paybuf/paybuf/internal/parking"
	"github.com/paybuf/paybuf/payment"
	"github.com/paybuf/paybuf/postgres"
	"github.com/paybuf/paybuf/processor"
	"github.com/paybuf/paybuf/processor/reconcile"
	"github.com/paybuf/paybuf/status"
	"github.com/paybuf/paybuf/status/await"
	"github.com/paybuf/paybuf/status/webhook"
)

const (
	startTimeout   = 30 * time.Second
	serverStopTime = 10 * time.Second
)

// App is one process's share of Paybuf.
type App struct {
	opts  Options
	log   *slog.Logger
	idKey payment.IDKey
	auth  access.AuthKey

	db         *postgres.DB // nil without a role that needs it
	buffer     *buffer.Buffer
	guard      *access.Guard
	hub        *await.Hub                     // nil without a ledger, or without clients
	lot        *parking.Lot                   // likewise
	finals     *status.Finals                 // likewise
	processor  *processor.Processor           // nil without the role
	reconciler *reconcile.Job                 // likewise
	sender     atomic.Pointer[webhook.Sender] // likewise, and until it is started
	metrics    *metrics
	clients    *server // nil without a role that serves them
	operator   *server

	stops   []stop // in the order of the starts
	fatal   chan error
	closing chan struct{} // closed when the clients' listener begins to stop
}

// stop undoes one start.
type stop struct {
	name string
	run  func(context.Context)
}

// New checks the options. Nothing is started or connected yet.
func New(opts Options) (*App, error) {
	if err := opts.check(); err != nil {
		return nil, err
	}
	if opts.Logger == nil {
		opts.Logger = slog.New(slog.DiscardHandler)
	}
	a := &App{opts: opts, log: opts.Logger, fatal: make(chan error, 3), closing: make(chan struct{})}
	var err error
	if a.idKey, err = payment.NewIDKey(opts.Secrets.IDKey); err != nil {
		return nil, err
	}
	if a.auth, err = access.NewAuthKey(opts.Secrets.AuthKey); err != nil {
		return nil, err
	}
	return a, nil
}

// Start starts the parts in the order in which a payment meets them, except that
// the doors open last. After an error everything is stopped again.
func (a *App) Start(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, startTimeout, errors.New("the start took too long"))
	defer cancel()
	for _, start := range []func(context.Context) error{
		a.startLedger, a.startBuffer, a.startKeySync, a.startProcessor, a.startReconciler, a.startResealing, a.startWaiting,
		a.startOperator, a.startClients, a.startSender,
	} {
		if err := start(ctx); err != nil {
			a.Stop(context.WithoutCancel(ctx))
			return err
		}
	}
	return nil
}

// Stop stops in reverse order: the doors first, so that nothing new comes in
// while what came in is brought to a safe place. It may be called once.
func (a *App) Stop(ctx context.Context) {
	for i := len(a.stops) - 1; i >= 0; i-- {
		started := time.Now()
		a.stops[i].run(ctx)
		a.log.Debug("stopped", slog.String("part", a.stops[i].name), slog.Duration("took", time.Since(started)))
	}
	a.stops = nil
}

// Fatal gives an error after which the process is of no use, such as a listener
// that broke.
func (a *App) Fatal() <-chan error { return a.fatal }

// URL is where clients are served, "" if they are not.
func (a *App) URL() string { return a.clients.url() }

// OperatorURL is where operators are served.
func (a *App) OperatorURL() string { return a.operator.url() }

func (a *App) onStop(name string, run func(context.Context)) {
	a.stops = append(a.stops, stop{name: name, run: run})
}

// startLedger does not insist on a Postgres that answers: intake must go on
// without it, and the processor resumes by itself. One that answers must have
// the right tables.
func (a *App) startLedger(ctx context.Context) error {
	if !a.opts.needsLedger() {
		return nil
	}
	// Claiming, taking over, settling, two for webhooks, and a few for readers.
	const connections = 12
	db, err := postgres.Open(ctx, a.opts.PostgresURL, postgres.Config{ConnsMax: connections, Committed: a.announce})
	if err != nil {
		return err
	}
	a.db = db
	a.onStop("ledger", func(context.Context) { db.Close() })
	if err = db.CheckSchema(ctx); err == nil {
		err = db.CheckFeed(ctx)
	}
	if code, _ := payment.CodeOf(err); code == payment.CodeUnavailable {
		a.log.Warn("Postgres does not answer; payments are accepted and wait", slog.Any("error", err))
		return nil
	}
	return err
}

func (a *App) startBuffer(ctx context.Context) error {
	cfg := a.opts.Buffer
	cfg.Logger = a.log.With(slog.String("part", "buffer"))
	if !a.opts.has(RoleIngest) {
		cfg.Durability, cfg.JournalDir = buffer.StreamOnly, "" // nothing is accepted here
	}
	b, err := buffer.Open(ctx, cfg)
	if err != nil {
		return err
	}
	a.buffer = b
	a.onStop("buffer", func(context.Context) { b.Close() })
	if err := b.Keys().CheckIDKey(ctx, a.idKey); err != nil {
		return err
	}
	a.guard = access.NewGuard(b.Keys(), a.auth, access.GuardConfig{DevTenant: a.opts.DevTenant})
	return nil
}

func (a *App) startProcessor(context.Context) error {
	if !a.opts.has(RoleProcessor) {
		return nil
	}
	cfg := a.opts.Processor
	cfg.Logger = a.log.With(slog.String("part", "processor"))
	payer, err := newPayer(a.opts)
	if err != nil {
		return err
	}
	var sources []processor.Source
	for _, shard := range a.buffer.Shards() {
		sources = append(sources, shard)
	}
	if a.processor, err = processor.New(sources, a.db, payer, cfg); err != nil {
		return configError(err.Error())
	}
	if err := a.buffer.AnswerRows(a.db.Missing); err != nil {
		return err
	}
	if err := a.buffer.AnswerBatches(a.db.MissingBatches); err != nil {
		return err
	}
	running, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { a.processor.Run(running) })
	a.onStop("processor", func(context.Context) { cancel(); wg.Wait(); payer.Close() })
	return nil
}

func (a *App) startOperator(context.Context) error {
	a.metrics = newMetrics(a)
	return a.serve("operator listener", a.opts.OperatorListen, a.operatorRoutes(), nil, &a.operator)
}

func (a *App) startClients(context.Context) error {
	if !a.opts.servesClients() {
		return nil
	}
	if err := a.serve("client listener", a.opts.Listen, a.clientRoutes(), a.lot, &a.clients); err != nil {
		return err
	}
	// Nobody waits for those who listen.
	a.clients.http.RegisterOnShutdown(sync.OnceFunc(func() { close(a.closing) }))
	if a.hub != nil { // the first to stop: the listener's stop waits for who waits
		a.onStop("waiting clients", a.releaseWaiting)
	}
	return nil
}

func errPart(part string, err error) error { return fmt.Errorf("%s: %w", part, err) }
