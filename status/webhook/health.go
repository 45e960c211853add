package webhook

import (
	"net/http"
	"time"
)

const (
	placesFirst = 4 // requests at once to an endpoint of which nothing is known

	failuresMax = 5 // in a row, before only probes are sent
	probeBase   = time.Second
	probeMax    = 5 * time.Minute

	throttleBase = 5 * time.Second
	throttleMax  = 5 * time.Minute

	doublingsMax = 20
)

// health is what is known of an endpoint: how many requests it bears at once, whether
// it is taken for down, and when it may be sent to again.
type health struct {
	limit    float64 // requests at once: one more with each round of successes, half of them after a time-out
	trusted  bool    // the last that came of a request was an answer
	failures int     // in a row that say it is down
	open     bool    // the circuit: only a probe at a time, after growing pauses
	probes   int     // that have failed in a row
	throttle int     // pauses that it asked for, in a row

	resumeAt time.Time // not before then
}

func newHealth(concurrency int) health { return health{limit: float64(min(placesFirst, concurrency))} }

// places is how many requests may be under way.
func (h *health) places(now time.Time) int {
	switch {
	case now.Before(h.resumeAt):
		return 0
	case h.open:
		return 1
	}
	return int(h.limit)
}

// note learns from a result, and gives the pause that the endpoint asked for.
func (h *health) note(result Result, a answer, now time.Time, placesMax int) time.Duration {
	switch result {
	case ResultDelivered, ResultRedirected, ResultRefused, ResultGone:
		h.failures, h.probes, h.open, h.trusted = 0, 0, false, !a.slow
		if result == ResultDelivered {
			h.throttle = 0
		}
		if a.slow {
			h.limit = max(1, h.limit/2)
		} else {
			h.limit = min(float64(placesMax), h.limit+1/h.limit)
		}
		return 0
	case ResultThrottled:
		h.trusted = true
		pause := h.slowDown(a.retryAfter, now)
		if a.status != http.StatusTooManyRequests {
			h.fail(now)
		}
		return pause
	case ResultTimeout, ResultUnreachable:
		h.trusted = false
		h.limit = max(1, h.limit/2)
		h.fail(now)
	case ResultFailed:
		h.trusted = true
		h.fail(now)
	case ResultForbidden: // a name is resolved each time
		h.fail(now)
	}
	return 0
}

// fail opens the circuit after some failures. What was under way when it opened says
// nothing new: only a probe that fails makes the pauses grow.
func (h *health) fail(now time.Time) {
	h.failures++
	if h.failures < failuresMax || h.open && now.Before(h.resumeAt) {
		return
	}
	h.open = true
	h.pause(now, jittered(doubled(probeBase, h.probes, probeMax)))
	h.probes++
}

// slowDown grants a pause. Answers to what was under way together count as one.
func (h *health) slowDown(asked time.Duration, now time.Time) time.Duration {
	h.limit = max(1, h.limit/2)
	pause := min(asked, pauseMax)
	if h.throttle == 0 || !now.Before(h.resumeAt) {
		pause = max(pause, jittered(doubled(throttleBase, h.throttle, throttleMax)))
		h.throttle++
	}
	h.pause(now, pause)
	return h.resumeAt.Sub(now)
}

func (h *health) pause(now time.Time, pause time.Duration) {
	if until := now.Add(pause); until.After(h.resumeAt) {
		h.resumeAt = until
	}
}

func doubled(base time.Duration, times int, most time.Duration) time.Duration {
	return min(base<<min(times, doublingsMax), most)
}
