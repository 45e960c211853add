package processor

import (
	"time"

	"github.com/paybuf/paybuf/payment"
)

// pauseFloor of a base is the least pause: full jitter may draw next to nothing,
// and who has just refused a call is not met by the next one at once.
const pauseFloor = 10

// pause draws the wait before a try, the first being 1: uniform up to a cap that
// doubles with each try ("full jitter": Exponential Backoff And Jitter, AWS
// Architecture Blog, 2015). Spread out like that, what failed together does not
// come back together.
func (p policy) pause(tries int, base, most time.Duration) time.Duration {
	limit := base
	for range min(max(tries-1, 0), 62) {
		if limit *= 2; limit >= most {
			break
		}
	}
	limit = min(limit, most)
	return max(min(base/pauseFloor, limit), time.Duration(p.jitter()*float64(limit)))
}

// retryIn is the pause before a charge is sent again that certainly moved nothing.
func (p policy) retryIn(attempts int) time.Duration {
	return p.pause(attempts, p.cfg.RetryBase, p.cfg.RetryMax)
}

// lookupIn is the pause before the next question about a lost answer.
func (p policy) lookupIn(tries int) time.Duration {
	return p.pause(tries, p.cfg.LookupBase, p.cfg.LookupMax)
}

// pollIn is the pause before a payer that decides later is asked again.
func (p policy) pollIn(work payment.Work) time.Duration {
	return p.pause(work.Lookups+1, p.cfg.PendingPoll, p.cfg.PendingMax)
}

// exhausted tells that a payment without an end is to be left to a human: it is
// too old, or was sent too often. Look-ups cost nobody anything, so age alone ends
// them; and a payer may take days to decide what it has accepted.
func (p policy) exhausted(work payment.Work, outcome payment.Outcome) bool {
	switch {
	case outcome.To.Final() || outcome.To == payment.Parked:
		return false
	case outcome.To == payment.Pending:
		return age(work) > p.cfg.PendingParkAfter
	case outcome.To == payment.Retrying && work.Attempt >= p.cfg.AttemptsMax:
		return true
	}
	return age(work) > p.cfg.ParkAfter
}

// age counts from the first attempt, so that a payment which waited for its time,
// in the buffer or as scheduled, has all of it. One never sent has none.
func age(work payment.Work) time.Duration {
	if work.FirstAttemptAt.IsZero() {
		return 0
	}
	return work.LeasedAt.Sub(work.FirstAttemptAt)
}
