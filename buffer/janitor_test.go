package buffer

import (
	"fmt"
	"testing"
	"time"
)

func TestClearAway_keepsADedupWindowAndEverythingUnclaimed(t *testing.T) {
	b := open(t, nil)
	shard := b.Shards()[0]
	for n := range 10 {
		put(t, b, order(t, fmt.Sprintf("A-%d", n), nil))
	}
	for _, d := range fetchAll(t, shard, 10)[:6] {
		if err := d.Ack(); err != nil {
			t.Fatalf("ack: %v", err)
		}
	}
	waitFor(t, "the acks to arrive", func() bool {
		info, err := shard.consumer.Info(t.Context())
		return err == nil && info.AckFloor.Stream == 6
	})
	start := time.Now()
	samples, err := shard.clearOnce(t.Context(), start, nil)
	if err != nil {
		t.Fatalf("clear: %v", err)
	}
	if n := streamMessages(t, shard); n != 10 {
		t.Fatalf("%d messages right after the acks, want all 10: their ids must be known for a window", n)
	}
	if _, err = shard.clearOnce(t.Context(), start.Add(shard.cfg.DedupWindow), samples); err != nil {
		t.Fatalf("clear: %v", err)
	}
	if n := streamMessages(t, shard); n != 4 {
		t.Errorf("%d messages a window later, want the 4 unclaimed", n)
	}
}

func TestClearAway_aStreamThatLostItsTailLosesNothingNew(t *testing.T) {
	b := open(t, nil)
	shard := b.Shards()[0]
	start := time.Now()
	// What an earlier stream of this name once had acknowledged.
	samples := []floorSample{{at: start.Add(-time.Hour), floor: 500}}
	for n := range 5 {
		put(t, b, order(t, fmt.Sprintf("A-%d", n), nil))
	}
	rest, err := shard.clearOnce(t.Context(), start, samples)
	if err != nil {
		t.Fatalf("clear: %v", err)
	}
	if n := streamMessages(t, shard); n != 5 {
		t.Errorf("%d messages, want 5: a remembered floor removed payments", n)
	}
	if len(rest) != 1 || rest[0].floor != 0 {
		t.Errorf("samples %+v, want only what is true now", rest)
	}
}

func TestGauge_roomInFollowsTheDrainRate(t *testing.T) {
	for _, test := range []struct {
		backlog uint64
		rate    float64
		want    time.Duration
	}{
		{0, 1000, time.Second},
		{1_000_000, 1000, 50 * time.Second},
		{1_000_000, 2, retryAfterMax},
		{1_000_000, 0, retryAfterMax / 2},
	} {
		g := gauge{stats: Stats{Backlog: test.backlog, DrainPerSecond: test.rate}}
		if got := g.roomIn(); got != test.want {
			t.Errorf("backlog %d at %.0f/s: %s, want %s", test.backlog, test.rate, got, test.want)
		}
	}
}
