package postgres_test

import (
	"testing"
	"time"

	"github.com/paybuf/paybuf/payment"
)

func (l *ledger) sweep(keep time.Duration) int {
	l.t.Helper()
	n, err := l.SweepDeliveries(l.t.Context(), keep)
	if err != nil {
		l.t.Fatal(err)
	}
	return n
}

func TestSweep_whatWaitsForAnEndpointThatIsOffIsDead(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	on, off, deleted := l.endpoint("on"), l.endpoint("off"), l.endpoint("deleted")
	for _, id := range []payment.EndpointID{on, off, deleted} {
		l.wait(id, "pay_1", 1, 3000)
	}
	l.exec("UPDATE webhook_endpoints SET status = 'disabled' WHERE id = $1", off)
	l.exec("UPDATE webhook_endpoints SET status = 'deleted' WHERE id = $1", deleted)
	long, swept := 24*time.Hour, 0
	for n := -1; n != 0; swept += n {
		if n = l.sweep(long); n > 4000 {
			t.Fatalf("a call changed %d rows", n)
		}
	}
	for condition, want := range map[string]int{
		"endpoint_id = 'whe_on' AND state = 'waiting'":                                   3000,
		"endpoint_id = 'whe_off' AND state = 'dead' AND reason = 'endpoint_disabled'":    3000,
		"endpoint_id = 'whe_deleted' AND state = 'dead' AND reason = 'endpoint_deleted'": 3000,
		"state = 'dead' AND next_at IS NULL AND attempts = 0 AND updated_at > event_at":  6000,
	} {
		if n := l.count("webhook_deliveries WHERE " + condition); n != want {
			t.Errorf("%s: %d, want %d", condition, n, want)
		}
	}
	if swept != 6000 {
		t.Errorf("%d were told of, want 6000", swept)
	}
}

func TestSweep_removesOnlyWhatEndedLongAgo(t *testing.T) {
	t.Parallel()
	l, id := served(t, 6)
	l.record("w", result(id, 1, payment.DeliveryDelivered), result(id, 2, payment.DeliveryDead), result(id, 3, payment.DeliveryWaiting),
		result(id, 4, payment.DeliveryDelivered), result(id, 5, payment.DeliveryDelivered))
	l.exec("UPDATE webhook_deliveries SET event_at = now() - interval '40 days', updated_at = now() - interval '39 days' WHERE sequence <> 4")
	l.exec("UPDATE webhook_deliveries SET event_at = now() - interval '40 days' WHERE sequence = 4")
	if n := l.sweep(30 * 24 * time.Hour); n != 3 {
		t.Errorf("%d are removed, want 3", n)
	}
	for sequence, what := range map[int64]string{3: "waiting", 4: "delivered", 6: "waiting"} {
		l.is(id, sequence, "state = '"+what+"'")
	}
	if n := l.count("webhook_attempts WHERE sequence IN (3, 4)"); n != 2 || l.count("webhook_attempts") != 2 {
		t.Errorf("%d attempts are left of two", n)
	}
	if n := l.sweep(30 * 24 * time.Hour); n != 0 {
		t.Errorf("%d more are removed", n)
	}
}

// The owner enables an endpoint and queues what was dead: the sweep that is under way
// must not take it for what waited before.
func TestSweep_againstAnOwnerWhoEnablesAndRecovers(t *testing.T) {
	t.Parallel()
	l, id := served(t, 5)
	for range 20 {
		l.exec("UPDATE webhook_endpoints SET status = 'disabled'")
		together(2, func(i int) {
			if i == 0 {
				l.sweep(time.Hour)
				return
			}
			tx, err := l.raw.Begin(t.Context())
			if err != nil {
				t.Error(err)
				return
			}
			for _, sql := range []string{
				"UPDATE webhook_endpoints SET status = 'enabled', status_at = now()",
				"UPDATE webhook_deliveries SET state = 'waiting', reason = '', next_at = now(), updated_at = now() WHERE state = 'dead'",
			} {
				if _, err := tx.Exec(t.Context(), sql); err != nil {
					t.Error(err)
				}
			}
			if err := tx.Commit(t.Context()); err != nil {
				t.Error(err)
			}
		})
		if n := l.count("webhook_deliveries WHERE endpoint_id = $1 AND state = 'waiting'", id); n != 5 {
			t.Fatalf("%d of 5 wait after their endpoint was enabled", n)
		}
	}
}
