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

// fillCallers fill a store fast, each with a receipt at a time.
const fillCallers = 256

// keep measures what it takes to open many receipts again, and to forget half.
func (b *bench) keep(ctx context.Context, j *report.Journals) error {
	for _, kind := range store.Whole {
		kept := report.JournalKept{Store: string(kind)}
		if err := b.reopen(ctx, kind, &kept); err != nil {
			return fmt.Errorf("open %s: %w", kind, err)
		}
		if err := b.halve(ctx, kind, &kept); err != nil {
			return fmt.Errorf("halve %s: %w", kind, err)
		}
		j.Kept = append(j.Kept, kept)
		b.say("%-9s opens %d receipts in %.0f ms after kill -9, in %.0f ms after closing; forgets half of them in %.0f ms\n",
			kind, b.opts.keptRecords, milliseconds(kept.OpenKilled), milliseconds(kept.OpenClosed), milliseconds(kept.RemoveTime))
	}
	return nil
}

func (b *bench) reopen(ctx context.Context, kind store.Kind, kept *report.JournalKept) error {
	order, err := b.order(play.Fill, kind)
	if err != nil {
		return err
	}
	order.Callers, order.Records = fillCallers, b.opts.keptRecords
	if err := fill(ctx, order, true); err != nil {
		return err
	}
	syscall.Sync()
	order.Role = play.Open
	var killed, closed play.Took
	if err := do(ctx, order, &killed); err != nil {
		return err
	}
	if err := do(ctx, order, &closed); err != nil {
		return err
	}
	kept.OpenKilled, kept.OpenClosed = killed.Time.Duration(), closed.Time.Duration()
	return os.RemoveAll(order.Dir)
}

func (b *bench) halve(ctx context.Context, kind store.Kind, kept *report.JournalKept) error {
	order, err := b.order(play.Fill, kind)
	if err != nil {
		return err
	}
	order.Callers, order.Records, order.SegmentBytes = fillCallers, b.opts.keptRecords, b.opts.halvedBytes
	if err := fill(ctx, order, false); err != nil {
		return err
	}
	syscall.Sync()
	if kept.DiskBytes, err = store.DiskBytes(order.Dir); err != nil {
		return err
	}
	order.Role = play.Remove
	var removed play.Took
	if err := do(ctx, order, &removed); err != nil {
		return err
	}
	kept.RemoveTime, kept.RemoveCPU, kept.RemoveWritten = removed.Time.Duration(), removed.CPU.Duration(), removed.WrittenBytes
	syscall.Sync()
	if kept.DiskBytesAfter, err = store.DiskBytes(order.Dir); err != nil {
		return err
	}
	return os.RemoveAll(order.Dir)
}
