package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/paybuf/paybuf/bench/load"
	"github.com/paybuf/paybuf/bench/machine"
	"github.com/paybuf/paybuf/bench/report"
	"github.com/paybuf/paybuf/bench/subject"
)

// fillMax is how long Paybuf is filled: a slow one gets a smaller backlog.
const fillMax = 90 * time.Second

// hoard is a Paybuf of its own that takes a backlog in, which nobody takes out.
type hoard struct {
	bench    *bench
	dir      string
	payments int              // that it has taken in
	paybuf   *subject.Subject // nil while none runs
	killed   bool             // so that its Postgres still runs
}

// backlog finds out what payments cost that wait: memory, and time at the next
// start. The other servers have ended by then.
func (b *bench) backlog(ctx context.Context) (_ *report.Backlog, err error) {
	if err := b.field.stop(); err != nil {
		return nil, err
	}
	h := &hoard{bench: b, dir: filepath.Join(b.field.dir, "backlog")}
	if err := os.Mkdir(h.dir, passableMode); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, h.remove()) }()
	seen := &report.Backlog{Rest: b.opts.rest}
	if err := h.fill(ctx, seen); err != nil {
		return nil, fmt.Errorf("backlog: %w", err)
	}
	if err := h.kill(); err != nil {
		return nil, fmt.Errorf("backlog: %w", err)
	}
	if seen.AfterKill, err = h.restart(ctx, "kill -9"); err != nil {
		return nil, fmt.Errorf("backlog, after kill -9: %w", err)
	}
	if err := h.stop(); err != nil {
		return nil, fmt.Errorf("backlog: %w", err)
	}
	if seen.AfterStop, err = h.restart(ctx, "a clean stop"); err != nil {
		return nil, fmt.Errorf("backlog, after a clean stop: %w", err)
	}
	return seen, nil
}

// fill starts Paybuf with nothing, fills it and weighs it.
func (h *hoard) fill(ctx context.Context, seen *report.Backlog) error {
	err := h.start(ctx)
	if err != nil {
		return err
	}
	seen.EmptyReady = h.paybuf.ReadyAfter
	b := h.bench
	result, err := load.Fill(ctx, load.Plan{
		Address: h.paybuf.Address, Connections: report.Batches.Connections, Batch: report.Batches.Batch,
		CountsRepeats: true, Run: b.runs, Window: fillMax,
	}, b.opts.backlog)
	if err != nil {
		return err
	}
	h.payments = int(result.Payments)
	seen.Payments, seen.FillRate = h.payments, result.Rate()
	if seen.PeakBytes, err = machine.PeakResidentBytes(h.paybuf.PID); err != nil {
		return err
	}
	if err := load.Pause(ctx, b.opts.rest); err != nil {
		return err
	}
	if seen.RestBytes, err = machine.ResidentBytes(h.paybuf.PID); err != nil {
		return err
	}
	b.say("backlog  %d payments at %.0f/s  %d MB at most, %d MB at rest\n",
		seen.Payments, seen.FillRate, seen.PeakBytes/1e6, seen.RestBytes/1e6)
	return h.paybuf.AwaitBacklog(ctx, h.payments)
}

// restart starts Paybuf again and sees to it that it still has everything.
func (h *hoard) restart(ctx context.Context, after string) (report.Restart, error) {
	if err := h.start(ctx); err != nil {
		return report.Restart{}, err
	}
	again := report.Restart{Ready: h.paybuf.ReadyAfter}
	if err := h.paybuf.AwaitBacklog(ctx, h.payments); err != nil {
		return report.Restart{}, err
	}
	var err error
	again.PeakBytes, err = machine.PeakResidentBytes(h.paybuf.PID)
	h.bench.say("backlog  ready %.2f s after %s  %d MB at most\n", again.Ready.Seconds(), after, again.PeakBytes/1e6)
	return again, err
}

func (h *hoard) start(ctx context.Context) (err error) {
	h.paybuf, err = subject.StartPaybuf(ctx, h.bench.field.program, h.dir)
	if err == nil {
		h.killed = false
	}
	return err
}

func (h *hoard) kill() error {
	err := h.paybuf.Kill()
	h.paybuf, h.killed = nil, true
	return err
}

func (h *hoard) stop() error {
	err := h.paybuf.Stop()
	h.paybuf = nil
	return err
}

// remove ends what still runs and removes the backlog.
func (h *hoard) remove() error {
	var errs []error
	if h.paybuf != nil {
		errs = append(errs, h.stop())
	}
	if h.killed {
		ctx, cancel := context.WithTimeout(context.Background(), postgresStopTimeout)
		defer cancel()
		errs = append(errs, subject.StopPostgres(ctx, h.dir))
	}
	return errors.Join(append(errs, subject.RemoveData(h.dir))...)
}
