package webhook

import (
	"fmt"
	"testing"
	"time"

	"github.com/paybuf/paybuf/payment"
)

// ready makes an endpoint that has so much to send, and is trusted.
func ready(tenant string, n, deliveries int) *consumer {
	e := payment.Endpoint{ID: payment.EndpointID(fmt.Sprintf("whe_%s_%d", tenant, n)), Tenant: payment.TenantID(tenant)}
	c := newConsumer(e, 16, start)
	c.signer, c.trusted, c.limit = &signer{}, true, 16
	for i := range deliveries {
		c.enqueue(payment.WebhookDelivery{Endpoint: e.ID, Event: payment.Event{Sequence: int64(i + 1)}})
	}
	return c
}

// takes counts by tenant who gets the next places, each of which is given back at once.
func takes(l *lane, n int) map[payment.TenantID]int {
	got := map[payment.TenantID]int{}
	for range n {
		c := l.next(start, func(*consumer) {})
		if c == nil {
			break
		}
		c.queue.pop()
		got[c.Tenant]++
		if c.mayTake(start) {
			l.add(c)
		}
		l.done(c.Tenant)
	}
	return got
}

func TestLane_everyTenantHasItsTurnHoweverManyEndpointsAnotherHas(t *testing.T) {
	l := newLane(8, true)
	for i := range 1000 {
		l.add(ready("big", i, 100))
	}
	l.add(ready("small", 0, 1000))
	l.add(ready("other", 0, 1000))
	for tenant, n := range takes(l, 300) {
		if n != 100 {
			t.Errorf("%s had %d of 300 turns", tenant, n)
		}
	}
}

func TestLane_aTenantsEndpointsHaveTheirTurns(t *testing.T) {
	l := newLane(8, true)
	var all []*consumer
	for i := range 10 {
		all = append(all, ready("acme", i, 100))
		l.add(all[i])
	}
	takes(l, 200)
	for _, c := range all {
		if sent := 100 - c.queue.len(); sent != 20 {
			t.Errorf("%s had %d of 200 turns", c.ID, sent)
		}
	}
}

func TestLane_aTenantHoldsHalfOfWhatOthersLeave(t *testing.T) {
	l := newLane(64, true)
	held := func(tenant string) (n int) {
		for i := range 64 {
			l.add(ready(tenant, i, 1))
		}
		for l.next(start, func(*consumer) {}) != nil {
			n++
		}
		return n
	}
	if a, b, c := held("a"), held("b"), held("c"); a != 32 || b != 16 || c != 8 {
		t.Errorf("one after the other they hold %d, %d and %d places of 64", a, b, c)
	}
}

func TestLane_whoMayNotBeSentToFallsOut(t *testing.T) {
	l := newLane(8, true)
	paused, suspect, fine := ready("a", 0, 1), ready("a", 1, 1), ready("a", 2, 1)
	paused.resumeAt, suspect.trusted = start.Add(time.Second), false
	for _, c := range []*consumer{paused, suspect, fine} {
		l.add(c)
	}
	var moved []*consumer
	if c := l.next(start, func(c *consumer) { moved = append(moved, c) }); c != fine {
		t.Errorf("the turn is %v's", c)
	}
	if len(moved) != 1 || moved[0] != suspect || paused.listed || suspect.listed {
		t.Errorf("%d moved; listed are %v, %v", len(moved), paused.listed, suspect.listed)
	}
	l.done("a")
	if len(l.lines) != 0 || l.inFlight != 0 {
		t.Errorf("the lane still has %d lines and %d under way", len(l.lines), l.inFlight)
	}
}
