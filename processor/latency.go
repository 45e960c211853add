package processor

import (
	"sync"
	"time"

	"github.com/paybuf/paybuf/internal/histogram"
)

const (
	latencyCalls  = 1024        // in each half of the window
	latencyPeriod = time.Minute // after which a half is old even with fewer
	// latencyCallsMin is from how many calls on a quantile means something.
	latencyCallsMin = 20
	// latencyEvery is after how many calls slowest is reckoned anew: it is asked for
	// each payment, and costs some microseconds.
	latencyEvery = 64
)

// latency knows how long the payer's recent calls took: those of the current half
// of its window and of the one before.
type latency struct {
	mu           sync.Mutex
	current, old histogram.Histogram
	turned       time.Time
	p99          time.Duration // 0 as long as there are too few calls
	since        int           // calls since it was reckoned
}

func (l *latency) add(now time.Time, took time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.current.Count() >= latencyCalls || (l.current.Count() > 0 && now.Sub(l.turned) >= latencyPeriod) {
		l.old, l.current = l.current, histogram.Histogram{}
	}
	if l.current.Count() == 0 {
		l.turned = now
	}
	l.current.Add(took)
	if l.since++; l.since >= latencyEvery || took > l.p99 {
		l.since = 0
		l.p99 = l.reckon(0.99)
	}
}

// slowest is what all but one call in a hundred stay below; 0 if there are too few
// calls to tell.
func (l *latency) slowest() time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.p99
}

// median is 0 as long as there are too few calls.
func (l *latency) median() time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.reckon(0.5)
}

// reckon needs the lock.
func (l *latency) reckon(share float64) time.Duration {
	both := l.old
	both.Merge(&l.current)
	if both.Count() < latencyCallsMin {
		return 0
	}
	return both.Quantile(share)
}
