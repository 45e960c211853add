package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"syscall"
	"time"

	"github.com/paybuf/paybuf/bench/load"
	"github.com/paybuf/paybuf/bench/outcome"
	"github.com/paybuf/paybuf/bench/report"
	"github.com/paybuf/paybuf/bench/subject"
)

// tellSizes are how much is told, and to how many.
type tellSizes struct {
	lookups int // final payments that are asked for

	clients int           // that wait
	ahead   time.Duration // by which they send payments before these are due
	watched time.Duration // measured while outcomes come
	quiet   time.Duration // and while none do

	webhooks  int // payments of which one endpoint is told
	fresh     time.Duration
	spread    int // payments of which many endpoints are told
	endpoints int
}

var (
	tellFull = tellSizes{
		lookups: 10_000, clients: 10_000, ahead: 10 * time.Second, watched: 15 * time.Second, quiet: 10 * time.Second,
		webhooks: 25_000, fresh: 5 * time.Second, spread: 200, endpoints: 100,
	}
	tellQuick = tellSizes{
		lookups: 1000, clients: 500, ahead: 2 * time.Second, watched: 2 * time.Second, quiet: time.Second,
		webhooks: 1000, fresh: time.Second, spread: 100, endpoints: 10,
	}
)

const (
	// tellTenant is whose payments most are.
	tellTenant = "bench"
	// tellMax is what all of it may take beside its windows: making four installations,
	// filling them and delivering what waits.
	tellMax = 5 * time.Minute
)

// tellLimit is the longest that telling may take in all.
func (o options) tellLimit() time.Duration {
	lookups := time.Duration(o.rounds*lookupsPerRound) * (o.warmUp() + o.window + overheadMax)
	return lookups + 2*o.tell.ahead + o.tell.watched + 2*o.tell.quiet + o.tell.fresh + tellMax
}

// told is one of the things that are measured of telling.
type told struct {
	name    string
	measure func(b *bench, ctx context.Context, h *house, t *report.Telling) error
}

var tolds = []told{
	{"asking", (*bench).askForPayments}, {"waiting", (*bench).wait}, {"webhooks", (*bench).deliver},
	{"endpoints of few tenants", (*bench).spreadOverFew}, {"endpoints of several tenants", (*bench).spreadOverSeveral},
}

// tell measures how clients are told of outcomes. The servers of what was measured before
// have ended by then.
func (b *bench) tell(ctx context.Context) (*report.Telling, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, b.opts.tellLimit(), errTooLong)
	defer cancel()
	if err := b.field.stop(); err != nil {
		return nil, err
	}
	t := &report.Telling{}
	for _, each := range tolds {
		if err := b.tellOn(ctx, each, t); err != nil {
			return nil, fmt.Errorf("%s: %w", each.name, err)
		}
	}
	return t, nil
}

// tellOn measures one of them, in a house of its own.
func (b *bench) tellOn(ctx context.Context, each told, t *report.Telling) (err error) {
	h, err := b.openHouse(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, h.close()) }()
	b.runs++
	return each.measure(b, ctx, h, t)
}

// installed is Paybuf as several processes on servers that are there already.
var installed = pipeline{
	name: ours, source: outcome.Paybuf, postgresDir: func(dir string) string { return filepath.Join(dir, "shared") },
}

// house is a stage with an installation on it.
type house struct {
	*stage
	installation *subject.Installation
	key          string // of tellTenant
}

// openHouse makes an installation of which no process runs yet. After an error
// everything has been stopped again.
func (b *bench) openHouse(ctx context.Context) (_ *house, err error) {
	s, err := openStage(ctx, b.field, installed)
	if err != nil {
		return nil, err
	}
	h := &house{stage: s}
	defer func() {
		if err != nil {
			err = errors.Join(err, h.close())
		}
	}()
	if h.installation, err = subject.Install(ctx, s.program, s.dir, s.postgres); err != nil {
		return nil, err
	}
	if h.key, err = h.installation.AddTenant(ctx, tellTenant); err != nil {
		return nil, err
	}
	syscall.Sync() // what came before is not for this one to write
	return h, nil
}

// close stops everything and removes what was stored.
func (h *house) close() error {
	err := h.stop()
	if h.installation != nil {
		err = errors.Join(err, h.installation.Stop())
	}
	return errors.Join(err, h.stage.close())
}

// serve starts the process that is measured.
func (h *house) serve(ctx context.Context, roles string, flags ...string) error {
	return h.start(ctx, installed, func(ctx context.Context, _ *stage) (*subject.Subject, error) {
		return h.installation.Serve(ctx, roles, flags...)
	})
}

// work starts the process that takes payments in and pays them.
func (h *house) work(ctx context.Context) (*subject.Subject, error) {
	return h.installation.Serve(ctx, "ingest,processor", "--payer", "http://"+h.payer.Address)
}

// fillHouse has payments of each tenant taken in and paid, by the tenants' keys, and waits
// for their end.
func (b *bench) fillHouse(ctx context.Context, h *house, payments int, keys ...string) error {
	err := h.start(ctx, installed, func(ctx context.Context, _ *stage) (*subject.Subject, error) { return h.work(ctx) })
	if err != nil {
		return err
	}
	charged, err := h.charges(ctx)
	if err != nil {
		return err
	}
	for _, key := range keys {
		plan := b.plan(h.stage)
		plan.APIKey, plan.Window = key, fillMax
		plan.Connections, plan.Batch = report.Batches.Connections, min(report.Batches.Batch, payments)
		b.runs++
		filled, err := load.Fill(ctx, plan, payments)
		if err != nil {
			return fmt.Errorf("fill: %w", err)
		}
		charged += filled.Payments
	}
	if err := h.finish(ctx, charged, finishMax); err != nil {
		return fmt.Errorf("fill: %w", err)
	}
	return h.stop()
}
