package webhook

import (
	"time"

	"github.com/paybuf/paybuf/payment"
)

// aheadPerPlace is how many deliveries are fetched ahead for each request that an
// endpoint bears at once.
const aheadPerPlace = 16

// consumer is an endpoint as a worker knows it.
type consumer struct {
	payment.Endpoint
	health
	signer  *signer // nil while its secrets cannot be opened
	signErr error   // why
	told    bool    // that was logged

	queue    fifo[payment.WebhookDelivery]
	busy     map[int64]payment.ID // events that are queued, under way or not recorded
	payments map[payment.ID]bool  // theirs
	inFlight int

	held   bool // else it is only kept until its results are recorded
	gone   bool // it answered 410
	listed bool // in a line
	ask    bool // there may be something due
	more   bool // there was more than was fetched
	used   time.Time
}

func newConsumer(e payment.Endpoint, concurrency int, now time.Time) *consumer {
	return &consumer{
		Endpoint: e, health: newHealth(concurrency), busy: map[int64]payment.ID{}, payments: map[payment.ID]bool{},
		held: true, ask: true, used: now,
	}
}

// mayTake tells whether one more of its deliveries may be sent now.
func (c *consumer) mayTake(now time.Time) bool {
	return c.queue.len() > 0 && c.mayAsk() && c.inFlight < c.places(now)
}

// mayAsk tells whether it can be sent to at all.
func (c *consumer) mayAsk() bool { return c.held && !c.gone && c.signer != nil }

// ahead is how many may wait in its queue.
func (c *consumer) ahead(now time.Time) int {
	places := c.places(now)
	if c.open { // a probe
		return max(0, places-c.inFlight)
	}
	return places * aheadPerPlace
}

// enqueue takes a delivery on, unless it or another of its payment is under way.
func (c *consumer) enqueue(d payment.WebhookDelivery) bool {
	id := d.Event.PaymentID
	if _, known := c.busy[d.Event.Sequence]; known || c.payments[id] {
		return false
	}
	c.busy[d.Event.Sequence] = id
	if id != "" { // a test is in no order
		c.payments[id] = true
	}
	c.queue.push(d)
	return true
}

// release forgets a delivery: it is recorded, or left to whoever asks for it next.
func (c *consumer) release(sequence int64) {
	delete(c.payments, c.busy[sequence])
	delete(c.busy, sequence)
}

// drop leaves what is queued in the outbox.
func (c *consumer) drop() (dropped int) {
	for c.queue.len() > 0 {
		c.release(c.queue.pop().Event.Sequence)
		dropped++
	}
	return dropped
}

// under gives the events that the outbox need not give again.
func (c *consumer) under() []int64 {
	sequences := make([]int64, 0, len(c.busy))
	for sequence := range c.busy {
		sequences = append(sequences, sequence)
	}
	return sequences
}

// isIdle tells that it has had no work for a time. What is known of one that is down or
// paused is worth keeping, unless others have no room.
func (c *consumer) isIdle(now time.Time, after time.Duration, crowded bool) bool {
	known := c.open || now.Before(c.resumeAt)
	return len(c.busy) == 0 && (!known || crowded) && now.Sub(c.used) > after
}
