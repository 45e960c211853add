package app

import (
	"context"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// horizonTimeout bounds what a scrape waits for Postgres.
const horizonTimeout = 2 * time.Second

var feedHeldDesc = desc("feed_held_seconds", "For how long one transaction has kept what came after it out of the feeds, as far as was seen.")

// feedCollector notices a transaction that stays the oldest from one scrape to the
// next. It asks for nothing but the snapshot that the feeds go by, so it needs no right
// to look at other sessions.
type feedCollector struct {
	horizon func(context.Context) (oldest, ended int64, err error)

	mu     sync.Mutex
	oldest int64
	since  time.Time // when it was first seen
}

func (*feedCollector) Describe(to chan<- *prometheus.Desc) { to <- feedHeldDesc }

// Collect tells nothing while Postgres does not answer.
func (c *feedCollector) Collect(to chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), horizonTimeout)
	defer cancel()
	oldest, ended, err := c.horizon(ctx)
	if err != nil {
		return
	}
	held := c.held(oldest, ended, time.Now())
	to <- prometheus.MustNewConstMetric(feedHeldDesc, prometheus.GaugeValue, held.Seconds())
}

func (c *feedCollector) held(oldest, ended int64, now time.Time) time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	if oldest == ended || oldest != c.oldest { // nothing waits for it, or it is another
		c.oldest, c.since = oldest, now
	}
	return now.Sub(c.since)
}
