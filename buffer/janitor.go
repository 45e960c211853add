package buffer

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/paybuf/paybuf/internal/fault"
)

// clearingsPerWindow sets how promptly acknowledged payments are removed.
const clearingsPerWindow = 8

// floorSample is how far everything was acknowledged at a moment.
type floorSample struct {
	at    time.Time
	floor uint64
}

// clearAway removes payments that were acknowledged a dedup window ago. Until
// then they stay although nobody needs them: after a restart the server rebuilds
// its memory of ids from the messages that are still there.
func (s *Shard) clearAway(ctx context.Context) {
	ticker := time.NewTicker(s.cfg.DedupWindow / clearingsPerWindow)
	defer ticker.Stop()
	var samples []floorSample
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-ticker.C:
			var err error
			if samples, err = s.clearOnce(ctx, now, samples); err != nil {
				s.log.Warn("clear acknowledged payments away", slog.Any("error", err))
			}
		}
	}
}

// clearOnce takes a sample and purges up to the newest one that is old enough.
func (s *Shard) clearOnce(ctx context.Context, now time.Time, samples []floorSample) ([]floorSample, error) {
	consumer, err := s.consumer.Info(ctx)
	if err != nil {
		return samples, fmt.Errorf("consumer: %w", err)
	}
	stream, err := s.stream.Info(ctx)
	if err != nil {
		return samples, fmt.Errorf("stream: %w", err)
	}
	floor := consumer.AckFloor.Stream
	// A stream that lost its tail gives sequences out again. What was learned of
	// the old ones says nothing about the payments that have them now.
	if n := len(samples); n > 0 && (stream.State.LastSeq < samples[n-1].floor || floor < samples[n-1].floor) {
		samples = nil
	}
	if floor > stream.State.LastSeq {
		return nil, nil
	}
	samples = append(samples, floorSample{at: now, floor: floor})
	ripe, rest := ripeFloor(samples, now.Add(-s.cfg.DedupWindow))
	if ripe < stream.State.FirstSeq {
		return rest, nil
	}
	fault.At(fault.BufferPurging)
	if err := s.stream.Purge(ctx, jetstream.WithPurgeSequence(ripe+1)); err != nil {
		return rest, fmt.Errorf("purge up to %d: %w", ripe, err)
	}
	fault.At(fault.BufferPurged)
	return rest, nil
}

// ripeFloor gives the newest floor that was seen at or before a moment, 0 if
// none, and the samples that are still of use.
func ripeFloor(samples []floorSample, before time.Time) (uint64, []floorSample) {
	var ripe uint64
	for len(samples) > 0 && !samples[0].at.After(before) {
		ripe, samples = samples[0].floor, samples[1:]
	}
	return ripe, samples
}
