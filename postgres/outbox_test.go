package postgres_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/paybuf/paybuf/payment"
)

const failingMax = time.Hour

// endpoint makes an enabled endpoint of the test's tenant past the ledger.
func (l *ledger) endpoint(name string) payment.EndpointID {
	l.t.Helper()
	id := payment.EndpointID("whe_" + name)
	l.exec(`INSERT INTO webhook_endpoints (id, tenant_id, url, description, event_types, status, status_at, secret, secret_key,
			created_at, updated_at)
		SELECT $1, $2, 'https://shop.example/' || $3::text, 'of ' || $3::text, '{}', 'enabled', at, '\x0102', 'k1', at, at
		  FROM (SELECT now() - interval '1 hour' AS at) r`,
		id, tenant, name)
	return id
}

// wait queues deliveries that have no events, due since more than a minute, the first the
// longest. Their sequences are from first on.
func (l *ledger) wait(endpoint payment.EndpointID, id payment.ID, first int64, n int) {
	l.t.Helper()
	l.exec(`INSERT INTO webhook_deliveries (endpoint_id, sequence, tenant_id, payment_id, version, type, state, next_at, event_at, updated_at)
		SELECT $1, s, $2, $3, s, 'payment.paying', 'waiting', at, at, at
		  FROM (SELECT s, now() - interval '1 minute' - ($4 + $5 - s) * interval '1 second' AS at FROM generate_series($4::bigint, $4 + $5 - 1) s) r`,
		endpoint, tenant, id, first, n)
}

func (l *ledger) serve(worker string, more int) []payment.EndpointID {
	l.t.Helper()
	held, err := l.Hold(l.t.Context(), worker, lease, more)
	if err != nil {
		l.t.Fatal(err)
	}
	var ids []payment.EndpointID
	for _, e := range held {
		ids = append(ids, e.ID)
	}
	slices.Sort(ids)
	return ids
}

func (l *ledger) expire(workers ...string) {
	l.t.Helper()
	l.exec("UPDATE webhook_workers SET leased_until = now() - interval '1 second' WHERE id = ANY ($1)", workers)
}

func (l *ledger) due(worker string, endpoint payment.EndpointID, limit int, not ...int64) []payment.WebhookDelivery {
	l.t.Helper()
	due, err := l.Due(l.t.Context(), worker, []payment.DeliveryWant{{Endpoint: endpoint, Limit: limit, Not: not}})
	if err != nil {
		l.t.Fatal(err)
	}
	return due
}

func sequences(due []payment.WebhookDelivery) []int64 {
	var all []int64
	for _, d := range due {
		all = append(all, d.Event.Sequence)
	}
	return all
}

func (l *ledger) gives(worker string, endpoint payment.EndpointID, want ...int64) {
	l.t.Helper()
	if got := sequences(l.due(worker, endpoint, 100)); !slices.Equal(got, want) {
		l.t.Fatalf("due at %s are %v, want %v", endpoint, got, want)
	}
}

func (l *ledger) record(worker string, results ...payment.DeliveryResult) {
	l.t.Helper()
	if err := l.Record(l.t.Context(), worker, results, failingMax); err != nil {
		l.t.Fatal(err)
	}
}

// result is what came of an attempt that began now.
func result(endpoint payment.EndpointID, sequence int64, state payment.DeliveryState) payment.DeliveryResult {
	r := payment.DeliveryResult{
		Attempt: payment.WebhookAttempt{
			Endpoint: endpoint, Sequence: sequence, URL: "https://shop.example/hook", StartedAt: time.Now(),
			Took: 5 * time.Millisecond, HTTPStatus: 200, Excerpt: "ok",
		},
		State: state, NextIn: time.Hour,
	}
	if state != payment.DeliveryDelivered {
		r.Attempt.HTTPStatus, r.Attempt.Error = 503, "answered 503"
	}
	if state == payment.DeliveryDead {
		r.Reason = payment.DeadExhausted
	}
	return r
}

// earlier lets the attempt have begun some time ago.
func earlier(r payment.DeliveryResult) payment.DeliveryResult {
	r.Attempt.StartedAt = r.Attempt.StartedAt.Add(-10 * time.Second)
	return r
}

func (l *ledger) is(endpoint payment.EndpointID, sequence int64, condition string) {
	l.t.Helper()
	if n := l.count("webhook_deliveries WHERE endpoint_id = $1 AND sequence = $2 AND "+condition, endpoint, sequence); n != 1 {
		row := query[string](l, "SELECT to_json(d)::text FROM webhook_deliveries d WHERE endpoint_id = $1 AND sequence = $2", endpoint, sequence)
		l.t.Fatalf("not %s: %s", condition, row)
	}
}

func (l *ledger) endpointIs(endpoint payment.EndpointID, condition string) {
	l.t.Helper()
	if n := l.count("webhook_endpoints WHERE id = $1 AND "+condition, endpoint); n != 1 {
		row := query[string](l, "SELECT to_json(e)::text FROM webhook_endpoints e WHERE id = $1", endpoint)
		l.t.Fatalf("not %s: %s", condition, row)
	}
}

func TestHold_givesTheEndpointAsItIs(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	id := l.endpoint("a")
	l.exec(`UPDATE webhook_endpoints SET old_secret = '\x03', old_secret_key = 'k0', old_secret_until = now() + interval '1 hour',
		event_types = '{payment.paying}', failing_since = now(), resume_at = now() - interval '1 minute'`)
	l.wait(id, "pay_1", 1, 1)
	held, err := l.Hold(t.Context(), "w", lease, 10)
	if err != nil || len(held) != 1 {
		t.Fatalf("held is %+v, %v", held, err)
	}
	e := held[0]
	if e.ID != id || e.Tenant != tenant || e.URL != "https://shop.example/a" || e.Description != "of a" ||
		!slices.Equal(e.EventTypes, []string{"payment.paying"}) || e.Status != payment.EndpointEnabled ||
		e.Secret.KeyID != "k1" || !slices.Equal(e.Secret.Data, []byte{1, 2}) ||
		e.OldSecret.KeyID != "k0" || !slices.Equal(e.OldSecret.Data, []byte{3}) || !e.OldSecretUntil.After(time.Now()) ||
		e.FailingSince.IsZero() || e.ResumeAt.IsZero() || e.CreatedAt.Location() != time.UTC {
		t.Errorf("unexpected endpoint: %+v", e)
	}
	l.exec("UPDATE webhook_endpoints SET url = 'https://elsewhere.example'")
	if held, err = l.Hold(t.Context(), "w", lease, 0); err != nil || held[0].URL != "https://elsewhere.example" {
		t.Errorf("a change is not seen: %+v, %v", held, err)
	}
}

func TestHold_takesOnlyWhatMayBeSentToNow(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	for name, change := range map[string]string{
		"disabled": "UPDATE webhook_endpoints SET status = 'disabled' WHERE id = $1",
		"deleted":  "UPDATE webhook_endpoints SET status = 'deleted' WHERE id = $1",
		"paused":   "UPDATE webhook_endpoints SET resume_at = now() + interval '1 hour' WHERE id = $1",
		"not due":  "UPDATE webhook_deliveries SET next_at = now() + interval '1 hour' WHERE endpoint_id = $1",
		"dead":     "UPDATE webhook_deliveries SET next_at = NULL, state = 'dead' WHERE endpoint_id = $1",
		"nothing":  "DELETE FROM webhook_deliveries WHERE endpoint_id = $1",
	} {
		id := l.endpoint(name)
		l.wait(id, "pay_1", 1, 2)
		l.exec(change, id)
	}
	if held := l.serve("w", 10); len(held) != 0 {
		t.Errorf("held are %v", held)
	}
}

func TestHold_letsGoOfWhatIsDisabledOrDeleted(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	a, b, c := l.endpoint("a"), l.endpoint("b"), l.endpoint("c")
	for _, id := range []payment.EndpointID{a, b, c} {
		l.wait(id, "pay_1", 1, 1)
	}
	if held := l.serve("w", 10); len(held) != 3 {
		t.Fatalf("held are %v", held)
	}
	l.exec("UPDATE webhook_endpoints SET status = 'disabled' WHERE id = $1", a)
	l.exec("UPDATE webhook_endpoints SET status = 'deleted' WHERE id = $1", b)
	l.gives("w", a)
	if held := l.serve("w", 0); !slices.Equal(held, []payment.EndpointID{c}) {
		t.Errorf("held are %v", held)
	}
	l.expire("w")
	l.serve("v", 0)
	l.endpointIs(a, "worker_id = ''") // or nobody could take it when it is enabled again
}

func TestHold_takesNoMoreThanAskedForAndLeavesNoneOut(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	var all []payment.EndpointID
	for i := range 24 {
		id := l.endpoint(string(rune('a' + i)))
		l.wait(id, "pay_1", 1, 3)
		all = append(all, id)
	}
	slices.Sort(all)
	for n := range 8 {
		if held := l.serve("w", 3); len(held) != 3*n+3 {
			t.Fatalf("held are %d after %d calls for 3 more", len(held), n+1)
		}
	}
	if held := l.serve("w", 3); !slices.Equal(held, all) {
		t.Errorf("held are %v", held)
	}
	// Whoever takes one at a time comes to each in the end.
	l.exec("UPDATE webhook_endpoints SET worker_id = ''")
	seen := map[payment.EndpointID]bool{}
	eventually(t, "each was taken once", func() bool {
		for _, id := range l.serve("v", 1) {
			seen[id] = true
		}
		if err := l.Leave(t.Context(), "v", nil); err != nil {
			t.Fatal(err)
		}
		return len(seen) == len(all)
	})
}

func TestHold_workersShareWithoutOverlap(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	const endpoints, workers = 40, 6
	for i := range endpoints {
		l.wait(l.endpoint(fmt.Sprintf("%c%02d", 'a'+i%26, i)), "pay_1", 1, 1)
	}
	held := make([][]payment.EndpointID, workers)
	for range 8 {
		together(workers, func(i int) { held[i] = l.serve(fmt.Sprint("w", i), 5) })
		owner := map[payment.EndpointID]int{}
		for i, ids := range held {
			for _, id := range ids {
				if other, taken := owner[id]; taken {
					t.Fatalf("%s is held by workers %d and %d", id, other, i)
				}
				owner[id] = i
			}
		}
	}
	if n := len(slices.Concat(held...)); n != endpoints {
		t.Errorf("%d of %d endpoints are held", n, endpoints)
	}
}

func TestHold_whatAnExpiredWorkerHeldIsFreeAndItBeginsAnew(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	a, b := l.endpoint("a"), l.endpoint("b")
	l.wait(a, "pay_1", 1, 1)
	l.wait(b, "pay_1", 1, 1)
	if held := l.serve("paused", 10); len(held) != 2 {
		t.Fatalf("held are %v", held)
	}
	if held := l.serve("other", 10); len(held) != 0 {
		t.Fatalf("a live worker lost %v", held)
	}
	l.expire("paused")
	l.gives("paused", a)
	taken := l.serve("other", 1)
	if len(taken) != 1 {
		t.Fatalf("taken are %v", taken)
	}
	if n := l.count("webhook_workers WHERE id = 'paused'"); n != 0 {
		t.Error("the expired worker is known still")
	}
	if held := l.serve("paused", 0); len(held) != 0 {
		t.Errorf("the expired worker holds %v as if nothing had been", held)
	}
	if held := l.serve("paused", 10); len(held) != 1 || held[0] == taken[0] {
		t.Errorf("the expired worker holds %v, the other %v", held, taken)
	}
}

func TestHold_ofAnExpiredWorkerAgainstWhoeverTakesOver(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	for i := range 10 {
		l.wait(l.endpoint(fmt.Sprint(i)), "pay_1", 1, 1)
	}
	for range 20 {
		l.serve("a", 10)
		l.expire("a", "b")
		var held [2][]payment.EndpointID
		together(2, func(i int) { held[i] = l.serve([]string{"a", "b"}[i], 10) })
		for _, id := range held[0] {
			if slices.Contains(held[1], id) {
				t.Fatalf("%s is held by both", id)
			}
		}
		if len(held[0])+len(held[1]) == 0 {
			t.Fatal("nobody holds anything")
		}
		for _, worker := range []string{"a", "b"} {
			if err := l.Leave(t.Context(), worker, nil); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func TestLeave_givesBackSomeOrAll(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	a, b := l.endpoint("a"), l.endpoint("b")
	l.wait(a, "pay_1", 1, 1)
	l.wait(b, "pay_1", 1, 1)
	l.serve("w", 10)
	leave := func(worker string, ids ...payment.EndpointID) {
		t.Helper()
		if err := l.Leave(t.Context(), worker, ids); err != nil {
			t.Fatal(err)
		}
	}
	leave("stranger", a)
	leave("stranger")
	leave("w", a)
	if held := l.serve("w", 0); !slices.Equal(held, []payment.EndpointID{b}) {
		t.Errorf("held are %v", held)
	}
	leave("w")
	if n := l.count("webhook_workers") + l.count("webhook_endpoints WHERE worker_id <> ''"); n != 0 {
		t.Errorf("%d rows tell of a worker that has left", n)
	}
	if held := l.serve("v", 10); len(held) != 2 {
		t.Errorf("the next worker holds %v", held)
	}
}

func TestHold_refusesWhatMakesNoSense(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	_, err := l.Hold(t.Context(), "", lease, 1)
	mustCode(t, err, payment.CodeInvalid)
	_, err = l.Hold(t.Context(), "w", 0, 1)
	mustCode(t, err, payment.CodeInvalid)
}
