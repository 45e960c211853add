package buffer

import (
	"context"
	"log/slog"
	"math"
	"sync"
	"time"
)

const (
	gaugeInterval = time.Second
	// rateWeight is how much the newest second counts in the drain rate.
	rateWeight = 0.2
	// roomFraction of the backlog must drain before a retry is likely to find room.
	roomFraction = 0.05
	// retryAfterMax bounds what a client is told to wait, also when nothing drains.
	retryAfterMax = time.Minute
)

// Stats is how full one stream is.
type Stats struct {
	Stream         string
	Messages       uint64  // kept, claimed ones of the last dedup window included
	Bytes          uint64  // of these
	BytesMax       int64   // at which the stream refuses more
	MessagesMax    int64   // the same in messages; 0 for no limit
	Backlog        uint64  // not yet claimed
	DrainPerSecond float64 // payments claimed, smoothed
	StalledFor     time.Duration
}

// gauge measures the backlog and how fast it drains.
type gauge struct {
	mu       sync.Mutex
	stats    Stats
	floor    uint64
	measured time.Time
	moved    time.Time // when the floor last rose, or the backlog was last empty
}

// Stats gives the last measurement, at most a second or so old.
func (s *Shard) Stats() Stats {
	s.gauge.mu.Lock()
	defer s.gauge.mu.Unlock()
	return s.gauge.stats
}

// watch measures until ctx ends, and complains when payments wait and nothing
// moves: a stuck consumer shows no error by itself.
func (s *Shard) watch(ctx context.Context) {
	ticker := time.NewTicker(gaugeInterval)
	defer ticker.Stop()
	stalled := false
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-ticker.C:
			if err := s.measure(ctx, now); err != nil {
				s.log.Debug("measure", slog.Any("error", err)) // the connection's handler has said it
				continue
			}
			stats := s.Stats()
			was := stalled
			stalled = stats.StalledFor > 2*s.cfg.AckWait
			if stalled && !was {
				s.log.Warn("payments wait and none is claimed; does a processor run, does Postgres answer?",
					slog.Uint64("backlog", stats.Backlog), slog.Duration("for", stats.StalledFor))
			}
		}
	}
}

func (s *Shard) measure(ctx context.Context, now time.Time) error {
	s.tenants.seal(s.index)
	consumer, err := s.consumer.Info(ctx)
	if err != nil {
		return err
	}
	stream, err := s.stream.Info(ctx)
	if err != nil {
		return err
	}
	s.tenants.settle(s.index, measured{
		at: now, floor: consumer.AckFloor.Stream, last: stream.State.LastSeq,
		load: load{bytes: int64(stream.State.Bytes), messages: int64(stream.State.Msgs)}, //nolint:gosec // sizes
	})
	pending := consumer.NumPending + uint64(max(consumer.NumAckPending, 0))
	s.gauge.update(now, consumer.AckFloor.Stream, Stats{
		Stream:   s.name,
		Messages: stream.State.Msgs,
		Bytes:    stream.State.Bytes,
		BytesMax: s.cfg.StreamBytesMax, MessagesMax: s.cfg.StreamMessagesMax,
		Backlog: pending,
	})
	return nil
}

func (g *gauge) update(now time.Time, floor uint64, stats Stats) {
	g.mu.Lock()
	defer g.mu.Unlock()
	stats.DrainPerSecond = g.stats.DrainPerSecond
	if seconds := now.Sub(g.measured).Seconds(); !g.measured.IsZero() && seconds > 0 && floor >= g.floor {
		rate := float64(floor-g.floor) / seconds
		stats.DrainPerSecond += rateWeight * (rate - stats.DrainPerSecond)
	}
	if floor != g.floor || stats.Backlog == 0 || g.moved.IsZero() {
		g.moved = now
	}
	stats.StalledFor = now.Sub(g.moved)
	g.stats, g.floor, g.measured = stats, floor, now
}

// roomIn estimates when a full stream has room again.
func (g *gauge) roomIn() time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.stats.DrainPerSecond < 1 {
		return retryAfterMax / 2 // nothing drains: no estimate, but not for ever either
	}
	seconds := math.Ceil(roomFraction * float64(g.stats.Backlog) / g.stats.DrainPerSecond)
	return bounded(seconds)
}

// bounded makes a Retry-After of an estimate.
func bounded(seconds float64) time.Duration {
	seconds = min(max(seconds, retryAfterMin.Seconds()), retryAfterMax.Seconds())
	return time.Duration(seconds) * time.Second
}
