package main

import (
	"context"
	"fmt"
	"os"
	"syscall"

	"github.com/paybuf/paybuf/bench/journals/play"
	"github.com/paybuf/paybuf/bench/journals/store"
	"github.com/paybuf/paybuf/bench/report"
)

// rounds has one store after the other append, for each number of callers, and
// all of that again and again, so that whatever the machine does besides hits all
// alike. Each round begins with another store.
func (b *bench) rounds(ctx context.Context, j *report.Journals) error {
	for round := range b.opts.rounds {
		for _, callers := range b.opts.callers {
			for i := range store.Kinds {
				kind := store.Kinds[(i+round)%len(store.Kinds)]
				sample, err := b.append(ctx, kind, callers)
				if err != nil {
					return fmt.Errorf("%s, %d callers, round %d: %w", kind, callers, round+1, err)
				}
				sample.Round = round
				j.Samples = append(j.Samples, sample)
				b.say("%3d/%d  %-11s %3d callers %9.0f/s  p50 %6.2f ms  p99 %6.2f ms\n", len(j.Samples),
					b.opts.rounds*len(b.opts.callers)*len(store.Kinds), kind, callers,
					sample.Rate, milliseconds(sample.P50), milliseconds(sample.P99))
			}
		}
	}
	return nil
}

func (b *bench) append(ctx context.Context, kind store.Kind, callers int) (report.JournalSample, error) {
	order, err := b.order(play.Append, kind)
	if err != nil {
		return report.JournalSample{}, err
	}
	order.Callers, order.WarmUp, order.Window = callers, play.Span(b.opts.warmUp()), play.Span(b.opts.window)
	syscall.Sync() // the last run's dirty pages are not for this one to write
	var rates play.Rates
	if err := do(ctx, order, &rates); err != nil {
		return report.JournalSample{}, err
	}
	return report.JournalSample{
		Callers: callers, Store: string(kind),
		Rate: rates.Rate, P50: rates.P50.Duration(), P99: rates.P99.Duration(), CPU: rates.CPU.Duration(),
		Allocations: rates.Allocations, AllocBytes: rates.AllocBytes,
		Flushes: rates.Flushes, WrittenBytes: rates.WrittenBytes,
	}, os.RemoveAll(order.Dir)
}
