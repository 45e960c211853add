package postgres_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/paybuf/paybuf/payment"
)

// fleet is several workers that send what they are given, in drawn interleavings with
// time-outs, owners and events, and what must hold of them at each moment.
type fleet struct {
	*ledger
	round    int
	workers  []string
	live     map[string]bool                        // its lease has not run out
	held     map[string]map[payment.EndpointID]bool // what it was told last
	flight   []sent
	sequence int64
	queued   map[delivery]payment.ID
	arrived  map[delivery]int // attempts that the receiver took
	seen     map[string]int
}

type delivery struct {
	endpoint payment.EndpointID
	sequence int64
}

type sent struct {
	delivery
	worker string
	at     time.Time
}

const (
	fleetEndpoints = 3
	fleetPayments  = 2
)

func (f *fleet) name(i int) payment.EndpointID {
	return payment.EndpointID(fmt.Sprintf("whe_%d_%d", f.round, i))
}

// Never do two live workers hold an endpoint; of a payment an endpoint hears in order;
// nothing that waits is lost, and what is delivered did arrive.
func TestOutbox_keepsItsPromisesInDrawnInterleavings(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	round, seen := 0, map[string]int{}
	rapid.Check(t, func(rt *rapid.T) {
		round++
		f := &fleet{
			ledger: l, round: round, workers: []string{"a", "b", "c"}, live: map[string]bool{}, sequence: 1,
			held: map[string]map[payment.EndpointID]bool{}, queued: map[delivery]payment.ID{}, arrived: map[delivery]int{}, seen: seen,
		}
		for i := range fleetEndpoints {
			f.endpoint(fmt.Sprintf("%d_%d", round, i))
		}
		defer f.exec("TRUNCATE webhook_deliveries, webhook_attempts, webhook_workers, webhook_endpoints")
		rt.Repeat(map[string]func(*rapid.T){
			"event": f.event, "event again": f.event, "hold": f.take, "hold again": f.take, "send": f.send, "send again": f.send,
			"answer": f.answer, "answer again": f.answer, "time out": f.timeOut, "leave": f.leave, "time": f.passTime, "owner": f.own, "sweep": f.clear,
			"": f.whole,
		})
		f.finish(rt)
	})
	for _, what := range []string{"held", "taken over", "sent", "delivered", "failed", "late", "expired"} {
		if seen[what] == 0 {
			t.Errorf("%q never happened: %v", what, seen)
		}
	}
}

func (f *fleet) event(t *rapid.T) {
	f.sequence++
	d := delivery{f.name(rapid.IntRange(0, fleetEndpoints-1).Draw(t, "endpoint")), f.sequence}
	id := payment.ID(fmt.Sprint("pay_", rapid.IntRange(0, fleetPayments-1).Draw(t, "payment")))
	f.wait(d.endpoint, id, d.sequence, 1)
	f.exec("UPDATE webhook_deliveries SET state = 'dead', next_at = NULL WHERE sequence = $1 AND endpoint_id IN (SELECT id FROM webhook_endpoints WHERE status <> 'enabled')", d.sequence)
	f.queued[d] = id
}

func (f *fleet) take(t *rapid.T) {
	f.takeAs(t, rapid.SampledFrom(f.workers).Draw(t, "worker"), rapid.IntRange(0, 2).Draw(t, "more"))
}

func (f *fleet) takeAs(t *rapid.T, worker string, more int) {
	// One that was disabled and enabled again is still the worker's, though it was not told.
	before := f.count("webhook_endpoints WHERE worker_id = '" + worker + "'")
	f.live[worker], f.held[worker] = true, map[payment.EndpointID]bool{}
	for _, id := range f.serve(worker, more) {
		f.held[worker][id] = true
		f.seen["held"]++
		for _, other := range f.workers {
			switch {
			case other == worker || !f.held[other][id]:
			case f.live[other]:
				t.Fatalf("%s holds %s, and so does %s", worker, id, other)
			default:
				f.seen["taken over"]++
			}
		}
	}
	if len(f.held[worker]) > before+more {
		t.Fatalf("%s holds %v, before %d, and asked for %d more", worker, f.held[worker], before, more)
	}
}

func (f *fleet) send(t *rapid.T) { f.sendAs(t, rapid.SampledFrom(f.workers).Draw(t, "worker")) }

func (f *fleet) sendAs(t *rapid.T, worker string) {
	for i := range fleetEndpoints {
		if !f.held[worker][f.name(i)] {
			continue
		}
		var not []int64
		for _, s := range f.flight {
			if s.worker == worker && s.endpoint == f.name(i) {
				not = append(not, s.sequence)
			}
		}
		for _, d := range f.due(worker, f.name(i), 2, not...) {
			if !f.live[worker] || slices.Contains(not, d.Event.Sequence) {
				t.Fatalf("%s is given %d of %s", worker, d.Event.Sequence, d.Endpoint)
			}
			if n := f.count(`webhook_deliveries WHERE endpoint_id = $1 AND sequence < $2 AND state = 'waiting' AND payment_id = $3`,
				d.Endpoint, d.Event.Sequence, f.queued[delivery{d.Endpoint, d.Event.Sequence}]); n != 0 {
				t.Fatalf("%d of %s is sent before %d earlier ones of its payment", d.Event.Sequence, d.Endpoint, n)
			}
			f.flight = append(f.flight, sent{delivery{d.Endpoint, d.Event.Sequence}, worker, time.Now()})
			f.seen["sent"]++
		}
	}
}

// answer lets some of what is under way end, together.
func (f *fleet) answer(t *rapid.T) {
	worker := rapid.SampledFrom(f.workers).Draw(t, "worker")
	var rest []sent
	var results []payment.DeliveryResult
	for _, s := range f.flight {
		if s.worker != worker || rapid.IntRange(0, 3).Draw(t, "stays under way") == 0 {
			rest = append(rest, s)
			continue
		}
		state := rapid.SampledFrom([]payment.DeliveryState{
			payment.DeliveryDelivered, payment.DeliveryDelivered, payment.DeliveryWaiting, payment.DeliveryDead,
		}).Draw(t, "result")
		r := result(s.endpoint, s.sequence, state)
		r.Attempt.StartedAt = s.at
		if state == payment.DeliveryDelivered {
			f.arrived[s.delivery]++
		}
		if !f.live[worker] {
			f.seen["late"]++
		}
		results = append(results, r)
	}
	f.flight = rest
	f.record(worker, results...)
	f.seen["failed"] += f.count("webhook_attempts WHERE error <> ''")
}

func (f *fleet) timeOut(t *rapid.T) {
	worker := rapid.SampledFrom(f.workers).Draw(t, "worker")
	f.expire(worker)
	f.live[worker] = false
	f.seen["expired"]++
	if rapid.IntRange(0, 3).Draw(t, "killed") == 0 { // what it sent is not heard of again
		f.flight = slices.DeleteFunc(f.flight, func(s sent) bool { return s.worker == worker })
	}
}

func (f *fleet) leave(t *rapid.T) {
	worker := rapid.SampledFrom(f.workers).Draw(t, "worker")
	if err := f.Leave(f.t.Context(), worker, nil); err != nil {
		t.Fatal(err)
	}
	f.live[worker], f.held[worker] = false, nil
}

func (f *fleet) passTime(*rapid.T) {
	f.exec("UPDATE webhook_deliveries SET next_at = event_at WHERE state = 'waiting'")
}

func (f *fleet) own(t *rapid.T) {
	id := f.name(rapid.IntRange(0, fleetEndpoints-1).Draw(t, "endpoint"))
	if rapid.Bool().Draw(t, "disables") {
		f.exec("UPDATE webhook_endpoints SET status = 'disabled', status_at = now() WHERE id = $1", id)
		return
	}
	f.recover(id)
}

// recover enables an endpoint and queues again what is dead.
func (f *fleet) recover(id payment.EndpointID) {
	f.exec("UPDATE webhook_endpoints SET status = 'enabled', status_at = now() WHERE id = $1", id)
	f.exec(`UPDATE webhook_deliveries SET state = 'waiting', reason = '', tries = 0, next_at = now(), updated_at = now()
		WHERE endpoint_id = $1 AND state = 'dead'`, id)
}

func (f *fleet) clear(*rapid.T) { f.sweep(time.Hour) }

// whole checks that every delivery is there, and that those that are delivered arrived.
func (f *fleet) whole(t *rapid.T) {
	if n := f.count("webhook_deliveries"); n != len(f.queued) {
		t.Fatalf("%d deliveries, %d were queued", n, len(f.queued))
	}
	for _, text := range query[[]string](f.ledger, `SELECT coalesce(array_agg(endpoint_id || ' ' || sequence), '{}')
		FROM webhook_deliveries WHERE state = 'delivered'`) {
		var d delivery
		if _, err := fmt.Sscan(text, &d.endpoint, &d.sequence); err != nil || f.arrived[d] == 0 {
			t.Fatalf("%s is delivered and did not arrive (%v)", text, err)
		}
	}
}

// finish lets one worker be left over, and everything arrive.
func (f *fleet) finish(t *rapid.T) {
	f.expire(f.workers...)
	clear(f.live)
	f.flight = nil
	for i := range fleetEndpoints {
		f.recover(f.name(i))
	}
	for range len(f.queued) + 1 {
		f.passTime(t)
		f.takeAs(t, "d", fleetEndpoints)
		f.sendAs(t, "d")
		var results []payment.DeliveryResult
		for _, s := range f.flight {
			f.arrived[s.delivery]++
			results = append(results, result(s.endpoint, s.sequence, payment.DeliveryDelivered))
		}
		f.flight = nil
		f.record("d", results...)
	}
	f.whole(t)
	if n := f.count("webhook_deliveries WHERE state <> 'delivered'"); n != 0 {
		t.Fatalf("%d of %d were not delivered in the end", n, len(f.queued))
	}
	f.seen["delivered"] += len(f.queued)
}
