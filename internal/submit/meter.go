package submit

import (
	"errors"
	"fmt"
	"math"
	"net/url"
	"sync"
	"time"
)

const (
	// rateSpan is over how long the shown rate is smoothed, and rateStepMin how
	// long it is left as it is.
	rateSpan    = 3 * time.Second
	rateStepMin = 500 * time.Millisecond
	// etaAfter is how long a phase runs before its end is estimated.
	etaAfter = 2 * time.Second
)

// meter knows how far a phase has come, how fast, and what holds it up.
type meter struct {
	phase string // "sending"
	noun  string // of what is counted: "requests"

	mu      sync.Mutex
	began   time.Time
	done    int64 // of total, in its unit
	total   int64 // 0 if nobody knows
	count   int64
	retries int64
	trouble string // of the latest try without an answer; "" once there is one

	perSecond float64
	rateAt    time.Time
	rateCount int64
}

func newMeter(phase, noun string, total int64) *meter {
	now := time.Now()
	return &meter{phase: phase, noun: noun, total: total, began: now, rateAt: now}
}

// advance notes that one more is done, and how much of the total that is.
func (m *meter) advance(size int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.done += size
	m.count++
}

// answered notes that the API answers.
func (m *meter) answered() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.trouble = ""
}

// retried notes a try without an answer.
func (m *meter) retried(why error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.retries++
	if transport, ok := errors.AsType[*url.Error](why); ok {
		why = transport.Err // the address is the same for all
	}
	m.trouble = why.Error()
}

// finish notes that there is no more to come. The sizes of single rows do not add
// up to that of the file, which has a header and blank lines too.
func (m *meter) finish() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.done = m.total
}

// progress gives what is done of what, both 0 if the total is not known.
func (m *meter) progress() (done, total int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.total == 0 {
		return 0, 0
	}
	return min(m.done, m.total), m.total
}

// text describes the phase in one line: count, rate, time left, trouble.
func (m *meter) text(now time.Time) string {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.measure(now)
	text := fmt.Sprintf("%s %s, %s/s", grouped(m.count), m.noun, grouped(int64(m.perSecond+0.5)))
	if left, known := m.left(now); known {
		text += ", " + left.String() + " left"
	}
	if m.retries > 0 {
		text += ", " + grouped(m.retries) + " retries"
	}
	if m.trouble != "" {
		text += ": " + printable(m.trouble)
	}
	return text
}

// measure moves the smoothed rate; mu is held.
func (m *meter) measure(now time.Time) {
	step := now.Sub(m.rateAt)
	if step < rateStepMin {
		return
	}
	latest := float64(m.count-m.rateCount) / step.Seconds()
	weight := 1 - math.Exp(-step.Seconds()/rateSpan.Seconds())
	if m.rateCount == 0 {
		weight = 1 // nothing to be smoothed with
	}
	m.perSecond += weight * (latest - m.perSecond)
	m.rateAt, m.rateCount = now, m.count
}

// left estimates the rest of the phase by its share; mu is held.
func (m *meter) left(now time.Time) (time.Duration, bool) {
	spent := now.Sub(m.began)
	if m.done == 0 || m.done >= m.total || spent < etaAfter {
		return 0, false
	}
	share := float64(m.total-m.done) / float64(m.done)
	rest := time.Duration(float64(spent) * share).Round(time.Second)
	return rest, rest > 0
}
