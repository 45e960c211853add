package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/paybuf/paybuf/bench/journals/harm"
	"github.com/paybuf/paybuf/bench/journals/play"
	"github.com/paybuf/paybuf/bench/journals/receipt"
	"github.com/paybuf/paybuf/bench/journals/store"
	"github.com/paybuf/paybuf/bench/report"
)

// harmedCallers are few, so that much was synced before the last receipts were
// written: some stores tell a torn end from damage by that.
const harmedCallers = 8

// harm fills each store once, kills its process, and damages copies of what is
// left.
func (b *bench) harm(ctx context.Context, j *report.Journals) error {
	killed := map[store.Kind]play.Order{}
	for _, kind := range store.Whole {
		order, err := b.order(play.Fill, kind)
		if err != nil {
			return err
		}
		order.Callers, order.Records, order.SegmentBytes = harmedCallers, b.opts.harmedRecords, b.opts.harmedBytes
		if err := fill(ctx, order, true); err != nil {
			return err
		}
		killed[kind] = order
	}
	for _, way := range harm.Ways {
		for _, kind := range store.Whole {
			harmed, err := b.tries(ctx, way, killed[kind])
			if err != nil {
				return fmt.Errorf("%s, %s: %w", kind, way, err)
			}
			j.Harmed = append(j.Harmed, harmed)
			b.say("%-9s %-31s opens %2d of %d, gives back %s of %d, %d wrong, %d times silent\n", kind, way,
				harmed.Opened, harmed.Tries, harmed.Given(), b.opts.harmedRecords, harmed.Wrong, harmed.Silent)
		}
	}
	return nil
}

func (b *bench) tries(ctx context.Context, way harm.Way, killed play.Order) (report.JournalHarmed, error) {
	harmed := report.JournalHarmed{Way: string(way), Store: string(killed.Kind), RightLowest: b.opts.harmedRecords}
	for try := range b.opts.harms {
		found, err := b.try(ctx, way, killed, uint64(try))
		if err != nil && !errors.Is(err, errDied) {
			return harmed, err
		}
		count(&harmed, found, err != nil, b.opts.harmedRecords)
		if found.Said != "" && try == 0 {
			b.say("          %s\n", found.Said)
		}
	}
	return harmed, nil
}

// count adds what one try gave.
func count(harmed *report.JournalHarmed, found play.Found, died bool, records int) {
	harmed.Tries++
	switch {
	case died: // that is not silent
		harmed.Died++
	case found.Said == "" && (found.Right < records || found.Wrong > 0):
		harmed.Silent++
	}
	if found.Opened {
		harmed.Opened++
	}
	harmed.Wrong += found.Wrong
	harmed.RightLowest = min(harmed.RightLowest, found.Right)
	harmed.RightMost = max(harmed.RightMost, found.Right)
}

// try damages a copy of a killed store and reads it.
func (b *bench) try(ctx context.Context, way harm.Way, killed play.Order, attempt uint64) (play.Found, error) {
	order, err := b.damaged(way, killed, attempt)
	if err != nil {
		return play.Found{}, err
	}
	var found play.Found
	err = do(ctx, order, &found)
	return found, errors.Join(err, os.RemoveAll(order.Dir))
}

// damaged makes a damaged copy of a killed store, and the order to read it.
func (b *bench) damaged(way harm.Way, killed play.Order, attempt uint64) (play.Order, error) {
	order, err := b.order(play.Read, killed.Kind)
	if err != nil {
		return order, err
	}
	order.SegmentBytes, order.Records = killed.SegmentBytes, killed.Records
	if err := os.CopyFS(order.Dir, os.DirFS(killed.Dir)); err != nil {
		return order, err
	}
	files, err := store.Files(order.Kind, order.Dir)
	if err != nil {
		return order, err
	}
	var marks [][]byte // of each caller's last receipt, and so of the one written last
	for number := max(0, killed.Records-killed.Callers); number < killed.Records; number++ {
		marks = append(marks, receipt.Mark(number))
	}
	return order, harm.Do(way, files, marks, attempt)
}
