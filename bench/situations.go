package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/paybuf/paybuf/bench/load"
	"github.com/paybuf/paybuf/bench/report"
)

// finishMax is how long payments may take to come to their end when no more come.
const finishMax = time.Minute

var errNothingEnded = errors.New("no payment came to its end while it was measured: that was too short")

// sustain measures how many payments come to their end while others come in, no more
// than can be sustained.
func (b *bench) sustain(ctx context.Context, s *stage, p pipeline, run *report.Pipeline) error {
	if err := s.start(ctx, p, p.work); err != nil {
		return err
	}
	plan, m := b.plan(s), stageMeter{stage: s}
	plan.Window = b.opts.sustained
	bound := load.Bound{InFlightMax: report.InFlightMax, Done: s.charges}
	result, err := load.Sustain(ctx, plan, bound, func() error { return m.read(ctx) })
	if err != nil {
		return err
	}
	if err := s.finish(ctx, result.Payments, finishMax); err != nil {
		return err
	}
	commits, err := s.ledger.Commits(ctx)
	if err != nil {
		return err
	}
	opened, closed := m.span()
	ended := int64(0)
	for _, at := range commits {
		if at.After(opened) && !at.After(closed) {
			ended++
		}
	}
	if ended == 0 {
		return errNothingEnded
	}
	run.Sustained = m.flow(ended, closed.Sub(opened))
	b.sayFlow(p, "sustained", run.Sustained)
	return nil
}

// drain measures how fast a backlog is worked off that was taken in before.
func (b *bench) drain(ctx context.Context, s *stage, p pipeline, run *report.Pipeline) error {
	payments, err := b.fill(ctx, s, p)
	if err != nil {
		return fmt.Errorf("take the backlog in: %w", err)
	}
	if err := s.start(ctx, p, p.work); err != nil {
		return err
	}
	m := stageMeter{stage: s}
	if err := m.read(ctx); err != nil {
		return err
	}
	if err := s.finish(ctx, payments, b.opts.drainMax()); err != nil {
		return err
	}
	if err := m.read(ctx); err != nil {
		return err
	}
	commits, err := s.ledger.Commits(ctx)
	if err != nil {
		return err
	}
	run.Drained = m.flow(payments, between(commits))
	b.sayFlow(p, "draining", run.Drained)
	return nil
}

// fill starts the server such that it only takes payments in, has it take the
// backlog, and stops it again.
func (b *bench) fill(ctx context.Context, s *stage, p pipeline) (payments int64, err error) {
	if err := s.start(ctx, p, p.take); err != nil {
		return 0, err
	}
	plan := b.plan(s)
	plan.Connections, plan.Batch, plan.Window = report.Batches.Connections, report.Batches.Batch, fillMax
	filled, err := load.Fill(ctx, plan, b.opts.drained)
	if err != nil {
		return 0, err
	}
	return filled.Payments, s.stop()
}

// between is the time from the first commit to the last.
func between(commits map[string]time.Time) time.Duration {
	var first, last time.Time
	for _, at := range commits {
		if first.IsZero() || at.Before(first) {
			first = at
		}
		if at.After(last) {
			last = at
		}
	}
	return last.Sub(first)
}

// pace measures how long payments take that come at a steady rate, a part of what
// the pipeline has sustained.
func (b *bench) pace(ctx context.Context, s *stage, p pipeline, run *report.Pipeline) error {
	if err := s.start(ctx, p, p.work); err != nil {
		return err
	}
	plan := b.plan(s)
	plan.Window = b.opts.paced()
	result, err := load.Pace(ctx, plan, run.Sustained.Rate()*report.PacedShare)
	if err != nil {
		return err
	}
	if err := s.finish(ctx, result.Payments, finishMax); err != nil {
		return err
	}
	commits, err := s.ledger.Commits(ctx)
	if err != nil {
		return err
	}
	if run.Paced, err = delayOf(result, commits); err != nil {
		return err
	}
	run.Paced.PerSecond = float64(run.Paced.Payments) / plan.Window.Seconds()
	b.say("%-9s  %-7s %8.0f/s  p50 %6.1f ms  p99 %6.1f ms  sent late by %.1f ms at most\n", "paced", p.name,
		run.Paced.PerSecond, milliseconds(run.Paced.P50), milliseconds(run.Paced.P99), milliseconds(run.Paced.LateMax))
	return nil
}

// delayOf joins what the clients saw with what Postgres has committed. A payment
// that was at its end before its client had the 202 took no time.
func delayOf(paced *load.Paced, commits map[string]time.Time) (report.Delay, error) {
	var took load.Histogram
	for order, accepted := range paced.Accepted {
		committed, known := commits[order]
		if !known {
			return report.Delay{}, fmt.Errorf("order %s was accepted and has no outcome", order)
		}
		took.Add(committed.Sub(accepted))
	}
	return report.Delay{
		Payments: took.Count(), P50: took.Quantile(0.50), P99: took.Quantile(0.99), LateMax: paced.LateMax,
	}, nil
}
