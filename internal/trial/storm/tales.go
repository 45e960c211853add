package storm

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync"
	"time"

	"github.com/paybuf/paybuf/payment"
)

const (
	// talesMax is how many are told at once.
	talesMax = 64
	// lookPeriod is between two looks of a client who waits for something.
	lookPeriod = 100 * time.Millisecond
	// taleAmount is what the amounts of tales are above, so that none is another's.
	taleAmount = 10_000_000
)

// Tales are orders whose clients do more than send them and wait. Each is of one of
// the kinds that have a weight.
type Tales struct {
	Desk      string // URL of a process with the role status
	PerSecond int
	Orders    int // until ctx ends if 0

	Chains    int // declined, and tried again: too early, at the right time, twice at once
	Cancels   int // called off: before the request, beside it, and whenever after it
	Schedules int // to be paid later; some are called off about then
}

// Told counts what was done in tales.
type Told struct {
	Orders     int
	Retries    int // payments that try another again
	Granted    int // cancellations
	Refused    int // cancellations
	Unanswered int // cancellations of which nobody was told what became
	Scheduled  int
}

// told is what was promised in tales.
type told struct {
	tales     []*tale
	amounts   map[payment.ID]int64
	notBefore map[payment.ID]time.Time
	pleas     map[payment.ID]plea
	// Cancellations by order number, whose payment is not named.
	refused, unanswered int
}

// plea is what came of the cancellations of a payment.
type plea struct{ granted, refused, unanswered bool }

// tale is one order. What the storm's lock guards is last.
type tale struct {
	storm  *Storm
	desk   string
	number string
	amount int64
	random *rand.Rand

	links  []payment.ID
	called bool // a cancellation by order number was sent
	over   bool // one was granted after the last link was sent
}

// Tell begins tales until ctx ends or there are enough, and returns when each has
// ended. When ctx ends, nothing of an order is tried again.
func (s *Storm) Tell(ctx context.Context, tales Tales) {
	ticker := time.NewTicker(time.Second / time.Duration(tales.PerSecond))
	defer ticker.Stop()
	places := make(chan struct{}, talesMax)
	var telling sync.WaitGroup
	defer telling.Wait()
	for n := 0; tales.Orders == 0 || n < tales.Orders; n++ {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
		select {
		case places <- struct{}{}:
		case <-ctx.Done():
			return
		}
		tell := s.begin(tales)
		telling.Go(func() {
			tell(ctx)
			<-places
		})
	}
}

// begin chooses a kind for a new order.
func (s *Storm) begin(tales Tales) (tell func(context.Context)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := len(s.told.tales)
	t := &tale{
		storm: s, desk: tales.Desk, number: "tale-" + strconv.Itoa(n), amount: taleAmount + int64(n),
		random: rand.New(rand.NewPCG(s.cfg.Seed, uint64(n+1))), //nolint:gosec // the same tales again for the same seed
	}
	s.told.tales = append(s.told.tales, t)
	switch kind := t.random.IntN(tales.Chains + tales.Cancels + tales.Schedules); {
	case kind < tales.Chains:
		return t.tryAgain
	case kind < tales.Chains+tales.Cancels:
		return t.callOff
	}
	return t.payLater
}

// link is one payment of a tale's order.
type link struct {
	number, method string
	amount         int64
	retryOf        payment.ID
	notBefore      time.Time
}

func (l *link) body() string {
	body := fmt.Sprintf(`{"order_number":%q,"amount":%d,"currency":"EUR","payment_method":%q`, l.number, l.amount, l.method)
	if l.retryOf != "" {
		body += fmt.Sprintf(`,"retry_of":%q`, l.retryOf)
	}
	if !l.notBefore.IsZero() {
		body += fmt.Sprintf(`,"not_before":%q`, l.notBefore.UTC().Format("2006-01-02T15:04:05.000Z07:00"))
	}
	return body + "}"
}

func (t *tale) link(method string, retryOf payment.ID) link {
	return link{number: t.number, method: method, amount: t.amount, retryOf: retryOf}
}

// send sends a payment of the order until it has an answer, and gives its id.
func (t *tale) send(ctx context.Context, l link, door int) (payment.ID, bool) {
	s := t.storm
	got, err := s.insist(context.WithoutCancel(ctx), request{link: &l, door: door})
	if err != nil {
		s.fault(err)
		return "", false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	t.know(got.id)
	if !l.notBefore.IsZero() {
		s.told.notBefore[got.id] = l.notBefore
	}
	return got.id, true
}

// know keeps the id of a payment of the order. The caller holds mu.
func (t *tale) know(id payment.ID) {
	if _, known := t.storm.told.amounts[id]; known {
		return
	}
	t.links = append(t.links, id)
	t.storm.told.amounts[id] = t.amount
	t.storm.past.accept(id, t.amount)
}

// await looks at a payment until something holds, or ctx ends.
func (t *tale) await(ctx context.Context, id payment.ID, holds func(shown) bool) (shown, bool) {
	for {
		t.storm.mu.Lock()
		said, free := t.storm.past.last[id], !t.storm.past.asking[id]
		if holds(said) {
			t.storm.mu.Unlock()
			return said, true
		}
		if free {
			t.storm.past.asking[id] = true
		}
		t.storm.mu.Unlock()
		if free {
			t.storm.look(ctx, t.desk, id)
		}
		select {
		case <-time.After(lookPeriod):
		case <-ctx.Done():
			return shown{}, false
		}
	}
}

// pause waits up to a time.
func (t *tale) pause(most time.Duration) { <-time.After(time.Duration(t.random.Int64N(int64(most)))) }
