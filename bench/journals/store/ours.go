package store

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"

	"github.com/paybuf/paybuf/buffer/journal"
)

// ours is buffer/journal as intake uses it.
type ours struct {
	journal *journal.Journal
}

func openOurs(cfg Config) (*ours, error) {
	warnings := slog.NewTextHandler(lines(cfg.Say), &slog.HandlerOptions{Level: slog.LevelWarn})
	j, err := journal.Open(journal.Config{
		Dir: cfg.Dir, SegmentBytes: cfg.SegmentBytes, BytesMax: math.MaxInt64, Logger: slog.New(warnings),
	})
	if err != nil {
		return nil, err
	}
	return &ours{journal: j}, nil
}

func (o *ours) Append(payload []byte) error {
	return o.journal.Append(context.Background(), payload)
}

func (o *ours) Close() error { return o.journal.Close() }

func (o *ours) Read(fn func(payload []byte)) error {
	var errs []error
	for _, segment := range o.journal.Segments() {
		errs = append(errs, o.journal.Read(context.Background(), segment.Number, func(r journal.Record) error {
			fn(r.Payload)
			return nil
		}))
	}
	if stats := o.journal.Stats(); stats.CorruptRegions > 0 || stats.TornTails > 0 {
		errs = append(errs, fmt.Errorf("%d corrupt regions and %d torn tails of %d bytes",
			stats.CorruptRegions, stats.TornTails, stats.SkippedBytes))
	}
	return errors.Join(errs...)
}

func (o *ours) RemoveOldHalf() error {
	segments := o.journal.Segments()
	for _, segment := range segments[:len(segments)/2] {
		if err := o.journal.Remove(segment.Number); err != nil {
			return err
		}
	}
	return nil
}
