package postgres_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/paybuf/paybuf/payment"
	"github.com/paybuf/paybuf/postgres"
)

// served is a ledger with an endpoint that worker w holds, for which deliveries 1 to n
// of as many payments wait.
func served(t *testing.T, n int) (*ledger, payment.EndpointID) {
	t.Helper()
	l := newLedger(t)
	id := l.endpoint("a")
	for i := range n {
		l.wait(id, payment.ID(fmt.Sprint("pay_", i+1)), int64(i+1), 1)
	}
	l.serve("w", 1)
	return l, id
}

func TestRecord_keepsWhatCameOfEachAttempt(t *testing.T) {
	t.Parallel()
	l, id := served(t, 3)
	l.record("w", result(id, 2, payment.DeliveryDead), result(id, 1, payment.DeliveryDelivered), result(id, 3, payment.DeliveryWaiting))
	l.is(id, 1, "state = 'delivered' AND reason = '' AND attempts = 1 AND tries = 1 AND next_at IS NULL AND updated_at > event_at")
	l.is(id, 2, "state = 'dead' AND reason = 'exhausted' AND attempts = 1 AND next_at IS NULL")
	l.is(id, 3, "state = 'waiting' AND attempts = 1 AND tries = 1 AND next_at BETWEEN now() + interval '59 minutes' AND now() + interval '1 hour'")
	l.record("w", result(id, 3, payment.DeliveryWaiting))
	l.is(id, 3, "attempts = 2 AND tries = 2")
	if n := l.count(`webhook_attempts WHERE endpoint_id = $1 AND sequence = 3 AND number IN (1, 2) AND http_status = 503
		AND error = 'answered 503' AND excerpt = 'ok' AND took_us = 5000 AND url = 'https://shop.example/hook'
		AND started_at > now() - interval '1 minute'`, id); n != 2 {
		t.Errorf("%d such attempts, want 2", n)
	}
	if n := l.count("webhook_attempts"); n != 4 {
		t.Errorf("%d attempts, want 4", n)
	}
}

func TestRecord_oddBytesDoNotLoseAResult(t *testing.T) {
	t.Parallel()
	l, id := served(t, 1)
	odd := result(id, 1, payment.DeliveryDelivered)
	odd.Attempt.Excerpt, odd.Attempt.URL, odd.Attempt.Error = "a\x00b\xff", "\x00", "\xff"
	l.record("w", odd)
	l.is(id, 1, "state = 'delivered'")
}

func TestRecord_aSuccessCountsWhoeverSentIt(t *testing.T) {
	t.Parallel()
	l, id := served(t, 1)
	l.record("stranger", result(id, 1, payment.DeliveryDelivered))
	l.is(id, 1, "state = 'delivered' AND attempts = 1")
	l.record("w", result(id, 1, payment.DeliveryWaiting)) // the other's attempt, which failed
	l.is(id, 1, "state = 'delivered' AND attempts = 1")
}

func TestRecord_aFailureCountsOnlyWhileTheWorkerHoldsTheEndpoint(t *testing.T) {
	t.Parallel()
	l, id := served(t, 1)
	bad := func(worker string) {
		t.Helper()
		gone := result(id, 1, payment.DeliveryDead)
		gone.Gone, gone.PauseFor = true, time.Hour
		l.record(worker, gone)
		l.is(id, 1, "state = 'waiting' AND attempts = 0")
		l.endpointIs(id, "status = 'enabled' AND failing_since IS NULL AND resume_at IS NULL")
	}
	bad("stranger")
	l.expire("w")
	bad("w")
	l.serve("v", 1)
	l.serve("w", 1)
	bad("w")
}

func TestRecord_againChangesNothing(t *testing.T) {
	t.Parallel()
	l, id := served(t, 2)
	results := []payment.DeliveryResult{earlier(result(id, 1, payment.DeliveryDelivered)), earlier(result(id, 2, payment.DeliveryWaiting))}
	for range 3 {
		l.record("w", results...)
	}
	l.is(id, 1, "attempts = 1")
	l.is(id, 2, "attempts = 1")
	if n := l.count("webhook_attempts"); n != 2 {
		t.Errorf("%d attempts, want 2", n)
	}
}

func TestRecord_aManualRedeliveryIsNotUndone(t *testing.T) {
	t.Parallel()
	const redeliver = "UPDATE webhook_deliveries SET state = 'waiting', reason = '', tries = 0, next_at = now(), updated_at = now()"
	for _, state := range []payment.DeliveryState{payment.DeliveryWaiting, payment.DeliveryDead} {
		t.Run(string(state), func(t *testing.T) {
			t.Parallel()
			l, id := served(t, 1)
			underWay := earlier(result(id, 1, state))
			l.exec(redeliver)
			l.record("w", underWay)
			l.is(id, 1, "state = 'waiting' AND tries = 0 AND next_at <= now()")
			l.gives("w", id, 1)
		})
	}
}

func TestRecord_againstTheOwner(t *testing.T) {
	t.Parallel()
	l, id := served(t, 1)
	for name, owner := range map[string]struct{ does, then string }{
		"disables": {"UPDATE webhook_endpoints SET status = 'disabled', status_reason = 'owner', status_at = now(), updated_at = now()",
			"status = 'disabled' AND status_reason = 'owner'"},
		"deletes": {"UPDATE webhook_endpoints SET status = 'deleted', status_at = now(), updated_at = now()", "status = 'deleted'"},
		"changes the address": {"UPDATE webhook_endpoints SET url = 'https://new.example', updated_at = now()",
			"status = 'enabled' AND url = 'https://new.example'"},
		"rotates": {"UPDATE webhook_endpoints SET secret = '\\x09', updated_at = now()", "status = 'enabled' AND secret = '\\x09'"},
	} {
		l.exec("UPDATE webhook_endpoints SET status = 'enabled', status_reason = ''")
		l.exec("UPDATE webhook_deliveries SET state = 'waiting', reason = '', next_at = now()")
		gone := earlier(result(id, 1, payment.DeliveryWaiting))
		gone.Gone = true
		tx, err := l.raw.Begin(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := tx.Exec(t.Context(), owner.does); err != nil {
			t.Fatal(err)
		}
		done := background(func() (bool, error) {
			return true, l.Record(t.Context(), "w", []payment.DeliveryResult{gone}, failingMax)
		})
		l.waitForLocks(1)
		if err := tx.Commit(t.Context()); err != nil {
			t.Fatal(err)
		}
		if _, err := done(t.Context()); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		l.endpointIs(id, owner.then)
		l.endpointIs(id, "worker_id = 'w'")
	}
}

func TestRecord_failingSinceIsSetByTheFirstFailureAndClearedByASuccess(t *testing.T) {
	t.Parallel()
	l, id := served(t, 4)
	written := func() string { return query[string](l, "SELECT xmin::text FROM webhook_endpoints") }
	healthy := written()
	l.record("w", result(id, 1, payment.DeliveryDelivered))
	if written() != healthy {
		t.Error("a success wrote the row of a healthy endpoint")
	}
	l.record("w", result(id, 2, payment.DeliveryWaiting))
	l.endpointIs(id, "failing_since > now() - interval '1 minute'")
	failing := written()
	l.record("w", result(id, 3, payment.DeliveryWaiting))
	if written() != failing {
		t.Error("another failure wrote the row again")
	}
	l.record("w", result(id, 2, payment.DeliveryWaiting), result(id, 3, payment.DeliveryDelivered))
	l.endpointIs(id, "failing_since IS NULL")
	l.record("w", result(id, 2, payment.DeliveryWaiting))
	l.record("stranger", result(id, 4, payment.DeliveryDelivered))
	l.endpointIs(id, "failing_since IS NULL")
}

func TestRecord_disablesWhatIsGone(t *testing.T) {
	t.Parallel()
	l, id := served(t, 5)
	gone := result(id, 1, payment.DeliveryWaiting)
	gone.Gone = true
	l.record("w", gone, result(id, 2, payment.DeliveryDelivered))
	l.endpointIs(id, "status = 'disabled' AND status_reason = 'gone' AND status_at > created_at AND updated_at = status_at")
	l.is(id, 2, "state = 'delivered'")
	if n := l.count("webhook_deliveries WHERE state = 'dead' AND reason = 'endpoint_disabled' AND next_at IS NULL"); n != 4 {
		t.Errorf("%d are dead, want 4", n)
	}
	l.gives("w", id)
}

func TestRecord_disablesWhatHasFailedForLongerThanIsBorne(t *testing.T) {
	t.Parallel()
	l, id := served(t, 3)
	l.exec("UPDATE webhook_endpoints SET failing_since = now() - interval '59 minutes', status_at = now() - interval '3 days'")
	l.record("w", result(id, 1, payment.DeliveryWaiting))
	l.endpointIs(id, "status = 'enabled'")
	l.exec("UPDATE webhook_endpoints SET failing_since = now() - interval '61 minutes'")
	if err := l.Record(t.Context(), "w", []payment.DeliveryResult{result(id, 1, payment.DeliveryWaiting)}, 0); err != nil {
		t.Fatal(err)
	}
	l.endpointIs(id, "status = 'enabled'")
	l.exec("UPDATE webhook_endpoints SET status_at = now()") // it was enabled a moment ago
	l.record("w", result(id, 2, payment.DeliveryWaiting))
	l.endpointIs(id, "status = 'enabled'")
	l.exec("UPDATE webhook_endpoints SET status_at = now() - interval '3 days'")
	l.record("w", result(id, 2, payment.DeliveryWaiting))
	l.endpointIs(id, "status = 'disabled' AND status_reason = 'failing'")
	if n := l.count("webhook_deliveries WHERE state = 'dead' AND reason = 'endpoint_disabled'"); n != 3 {
		t.Errorf("%d are dead, want 3", n)
	}
}

func TestRecord_pausesTheEndpoint(t *testing.T) {
	t.Parallel()
	l, id := served(t, 2)
	pause := func(sequence int64, d time.Duration) {
		r := result(id, sequence, payment.DeliveryWaiting)
		r.PauseFor = d
		l.record("w", r)
	}
	pause(1, time.Hour)
	pause(2, time.Minute)
	l.endpointIs(id, "resume_at BETWEEN now() + interval '59 minutes' AND now() + interval '1 hour'")
	l.exec("UPDATE webhook_deliveries SET next_at = now()")
	l.gives("w", id)
	if held := l.serve("w", 0); len(held) != 1 {
		t.Errorf("the worker holds %v while it pauses", held)
	}
}

func TestRecord_refusesWhatMakesNoSense(t *testing.T) {
	t.Parallel()
	l, id := served(t, 1)
	good := result(id, 1, payment.DeliveryDelivered)
	noReason, reason, noState := result(id, 2, payment.DeliveryDead), result(id, 2, payment.DeliveryWaiting), result(id, 2, "sent")
	noReason.Reason, reason.Reason = "", payment.DeadExhausted
	for name, results := range map[string][]payment.DeliveryResult{
		"twice": {good, good}, "dead without a reason": {good, noReason}, "waiting with one": {good, reason}, "no state": {good, noState},
		"too many": make([]payment.DeliveryResult, postgres.BatchMax+1),
	} {
		t.Run(name, func(t *testing.T) {
			mustCode(t, l.Record(t.Context(), "w", results, failingMax), payment.CodeInvalid)
		})
	}
	l.is(id, 1, "state = 'waiting'")
	l.record("w")
}

func TestRecord_ofManyWorkersAtOnceLosesNothing(t *testing.T) {
	t.Parallel()
	const deliveries, workers = 60, 4
	l, id := served(t, deliveries)
	together(workers, func(i int) {
		for first := 1; first <= deliveries; first += 10 {
			var results []payment.DeliveryResult
			for s := first; s < first+10; s++ {
				state := payment.DeliveryDelivered
				if (s+i)%workers == 0 {
					state = payment.DeliveryWaiting
				}
				results = append(results, result(id, int64(s), state))
			}
			if err := l.Record(context.WithoutCancel(t.Context()), []string{"w", "v"}[i%2], results, failingMax); err != nil {
				t.Error(err)
			}
		}
	})
	if n := l.count("webhook_deliveries WHERE state = 'delivered'"); n != deliveries {
		t.Errorf("%d of %d are delivered", n, deliveries)
	}
	if n := l.count("webhook_deliveries d WHERE attempts <> (SELECT count(*) FROM webhook_attempts a WHERE a.sequence = d.sequence)"); n != 0 {
		t.Errorf("%d deliveries count other attempts than are on record", n)
	}
}
