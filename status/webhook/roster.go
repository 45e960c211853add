package webhook

import (
	"time"

	"github.com/paybuf/paybuf/payment"
)

// suspectsShare is the part of all places for endpoints whose last request had no
// answer, or that had none yet: however many hang, the others have the rest.
const suspectsShare = 4

// roster is the endpoints that a worker holds, with what is queued for them, under way
// and not recorded. It is not safe for concurrent use.
type roster struct {
	cfg       Config
	consumers map[payment.EndpointID]*consumer
	trusted   *lane
	suspects  *lane
	leaseEnd  time.Time // nothing is sent after it

	queued, inFlight int
	results          []payment.DeliveryResult // not recorded
	writing          int                      // more of them
	stopping         bool
}

// job is a delivery that is under way.
type job struct {
	consumer *consumer
	lane     *lane
	delivery payment.WebhookDelivery
	signer   *signer
	url      string
}

func newRoster(cfg Config) *roster {
	suspects := max(1, cfg.Concurrency/suspectsShare)
	return &roster{
		cfg: cfg, consumers: map[payment.EndpointID]*consumer{},
		trusted: newLane(max(1, cfg.Concurrency-suspects), true), suspects: newLane(suspects, false),
	}
}

// enlist puts an endpoint in line if it may be sent to and is in none.
func (r *roster) enlist(c *consumer, now time.Time) {
	if c.listed || !c.mayTake(now) {
		return
	}
	if c.trusted {
		r.trusted.add(c)
	} else {
		r.suspects.add(c)
	}
}

// take gives the delivery whose turn it is.
func (r *roster) take(now time.Time) (job, bool) {
	if r.stopping || !now.Before(r.leaseEnd) || r.inFlight+len(r.results)+r.writing >= r.cfg.ResultsMax {
		return job{}, false
	}
	for _, l := range []*lane{r.suspects, r.trusted} {
		c := l.next(now, func(c *consumer) { r.enlist(c, now) })
		if c == nil {
			continue
		}
		d := c.queue.pop()
		c.inFlight++
		r.queued--
		r.inFlight++
		if c.more && c.queue.len() <= c.ahead(now)/2 {
			c.ask = true
		}
		r.enlist(c, now)
		return job{consumer: c, lane: l, delivery: d, signer: c.signer, url: c.URL}, true
	}
	return job{}, false
}

// finish takes note of what came of a job, and keeps its result until it is recorded.
func (r *roster) finish(j job, result Result, a answer, attempt payment.WebhookAttempt, now time.Time) payment.DeliveryResult {
	c := j.consumer
	c.inFlight--
	c.used = now
	r.inFlight--
	j.lane.done(c.Tenant)
	pause := c.note(result, a, now, r.cfg.EndpointConcurrency)
	resolved := resolve(j.delivery, result, r.cfg.Schedule, pause)
	resolved.Attempt = attempt
	r.results = append(r.results, resolved)
	if result == ResultGone {
		c.gone = true
	}
	if c.gone || c.open {
		r.queued -= c.drop()
		c.ask, c.more = true, false
	}
	r.enlist(c, now)
	return resolved
}

// batch takes up to so many results to be written.
func (r *roster) batch(most int) []payment.DeliveryResult {
	n := min(most, len(r.results))
	batch := append([]payment.DeliveryResult(nil), r.results[:n]...)
	r.results = append(r.results[:0], r.results[n:]...)
	r.writing = n
	return batch
}

// recorded forgets results that were written: what is behind them may be due.
func (r *roster) recorded(batch []payment.DeliveryResult) {
	r.writing = 0
	for _, result := range batch {
		c := r.consumers[result.Attempt.Endpoint]
		if c == nil {
			continue
		}
		c.release(result.Attempt.Sequence)
		c.ask = true
		if len(c.busy) == 0 && (!c.held || c.gone) {
			delete(r.consumers, c.ID)
		}
	}
}
