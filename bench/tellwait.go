package main

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"time"

	"github.com/paybuf/paybuf/bench/load"
	"github.com/paybuf/paybuf/bench/machine"
	"github.com/paybuf/paybuf/bench/report"
	"github.com/paybuf/paybuf/bench/subject"
)

const (
	// crowdSettles is what passes after the last client has asked, and after a process
	// has started, before nothing is expected to happen any more.
	crowdSettles = 3 * time.Second
	// filesBesides are what a process has open beside the clients' connections.
	filesBesides = 1000
	// heldAhead is by when the payments are due of clients that wait for nothing.
	heldAhead = 24 * time.Hour
)

// wait measures what it takes to have clients wait for outcomes, and to tell them.
func (b *bench) wait(ctx context.Context, h *house, t *report.Telling) error {
	sizes := b.opts.tell
	if err := machine.AllowFiles(uint64(sizes.clients) + filesBesides); err != nil { //nolint:gosec // not negative
		return err
	}
	w := &t.Waiting
	w.Clients, w.Ahead, w.Window, w.Quiet = sizes.clients, sizes.ahead, sizes.watched, sizes.quiet
	ids, err := b.schedule(ctx, h)
	if err != nil {
		return err
	}
	if err := b.holdCrowd(ctx, h, ids, w); err != nil {
		return fmt.Errorf("without news: %w", err)
	}
	if err := b.tellCrowd(ctx, h, w); err != nil {
		return err
	}
	b.say("waiting    %6d clients %8.0f/s  p50 %6.1f ms  p99 %6.1f ms  longest %6.1f ms  %.0f waiting, %d MB of %d MB, %d statements for %d\n",
		w.Clients, w.Rate(), milliseconds(w.P50), milliseconds(w.P99), milliseconds(w.Max), w.WaitingMean,
		w.CrowdBytes()/1e6, max(w.QuietBytes, w.MostBytes)/1e6, w.QuietStatements, w.EmptyStatements)
	return nil
}

// schedule has as many payments taken in as there are clients, none of which is due soon.
func (b *bench) schedule(ctx context.Context, h *house) (ids []string, err error) {
	err = h.start(ctx, installed, func(ctx context.Context, _ *stage) (*subject.Subject, error) { return h.work(ctx) })
	if err != nil {
		return nil, err
	}
	plan := b.plan(h.stage)
	plan.APIKey, plan.Window, plan.NotBefore = h.key, fillMax, time.Now().Add(heldAhead)
	plan.Connections, plan.Batch = report.Batches.Connections, report.Batches.Batch
	clients := int64(b.opts.tell.clients)
	b.runs++
	if _, err := load.Fill(ctx, plan, b.opts.tell.clients); err != nil {
		return nil, fmt.Errorf("fill: %w", err)
	}
	claimed := func(ctx context.Context) (int64, error) {
		var err error
		ids, err = h.ledger.IDs(ctx, "scheduled", b.opts.tell.clients)
		return int64(len(ids)), err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, finishMax, errUnfinished)
	defer cancel()
	if err := awaitCount(ctx, claimed, clients); err != nil {
		return nil, fmt.Errorf("fill: %w", err)
	}
	return ids, h.stop()
}

// holdCrowd has all clients wait while nothing happens, and while no other process does
// anything that could be taken for theirs.
func (b *bench) holdCrowd(ctx context.Context, h *house, ids []string, w *report.Waiting) error {
	if err := h.serve(ctx, "status"); err != nil {
		return err
	}
	m := stageMeter{stage: h.stage}
	read := func() error { return m.read(ctx) }
	err := errors.Join(load.Pause(ctx, crowdSettles), read(), load.Pause(ctx, b.opts.tell.quiet), read())
	if err != nil {
		return err
	}
	if w.EmptyBytes, err = machine.ResidentBytes(h.server.PID); err != nil {
		return err
	}
	answered, err := h.crowd(b.opts.tell.clients).Hold(ctx, ids, crowdSettles, b.opts.tell.quiet, func() (err error) {
		w.QuietBytes, err = machine.ResidentBytes(h.server.PID)
		return errors.Join(err, read())
	})
	if err != nil {
		return err
	}
	if answered > 0 {
		return fmt.Errorf("%d clients were answered though nothing happened", answered)
	}
	const own = 1 // statement of a first reading
	w.EmptyStatements = m.readings[1].statements - m.readings[0].statements - own
	w.QuietStatements = m.readings[3].statements - m.readings[2].statements - own
	w.QuietCPU = m.readings[3].server - m.readings[2].server
	return h.stop()
}

// crowd is one that waits at the server.
func (h *house) crowd(clients int) load.Crowd {
	return load.Crowd{Address: h.server.Address, APIKey: h.key, Clients: clients}
}

// tellCrowd has all clients wait for outcomes that come evenly. The process that they
// wait at is a new one.
func (b *bench) tellCrowd(ctx context.Context, h *house, w *report.Waiting) (err error) {
	if err := h.serve(ctx, "status"); err != nil {
		return err
	}
	worker, err := h.work(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, worker.Stop()) }()
	m := stageMeter{stage: h.stage}
	var others []time.Duration // of the worker
	vigil := load.Vigil{
		Crowd: h.crowd(b.opts.tell.clients), Intake: worker.Address,
		Ahead: b.opts.tell.ahead, Run: b.runs, Window: b.opts.tell.watched,
	}
	b.runs++
	kept, err := vigil.Keep(ctx, func() error {
		used, err := machine.CPU(worker.PID)
		others = append(others, used)
		return errors.Join(err, m.read(ctx))
	})
	if err != nil {
		return err
	}
	if w.MostBytes, err = machine.PeakResidentBytes(h.server.PID); err != nil {
		return err
	}
	if err := h.finish(ctx, kept.Sent, finishMax); err != nil {
		return err
	}
	commits, err := h.ledger.Commits(ctx)
	if err != nil {
		return err
	}
	return addCrowd(w, kept, commits, shares{meter: m, worker: others})
}

// shares are the readings at both ends of the window.
type shares struct {
	meter  stageMeter
	worker []time.Duration // processor time of the process that takes payments in and pays
}

// addCrowd joins what the clients saw with what Postgres has committed, and with what it
// cost. An outcome that came before its commit was known took no time.
func addCrowd(w *report.Waiting, kept *load.Kept, commits map[string]time.Time, s shares) error {
	var took load.Histogram
	for order, received := range kept.Received {
		committed, known := commits[order]
		if !known {
			return fmt.Errorf("a client was told of an outcome of order %s, which has none", order)
		}
		took.Add(received.Sub(committed))
		w.Max = max(w.Max, received.Sub(committed))
	}
	if took.Count() == 0 {
		return errNothingEnded
	}
	w.Outcomes, w.P50, w.P99 = took.Count(), took.Quantile(0.50), took.Quantile(0.99)
	w.WaitingMean, w.WaitingMin, w.Renewed = kept.WaitingMean, kept.WaitingMin, kept.Renewed
	flow := s.meter.flow(w.Outcomes, w.Window)
	opened, closed := s.meter.span()
	w.Window = closed.Sub(opened)
	others := s.worker[len(s.worker)-1] - s.worker[0]
	w.OthersCPU = others / time.Duration(w.Outcomes)
	w.ServerCPU, w.PostgresCPU, w.GeneratorCPU = flow.ServerCPU, flow.PostgresCPU, flow.GeneratorCPU
	w.OtherShare = max(0, flow.OtherShare-others.Seconds()/(w.Window.Seconds()*float64(runtime.NumCPU())))
	return nil
}
