package postgres_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/paybuf/paybuf/payment"
)

func TestLease_retryingIsPaidAgain(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	first := l.claim(order(t, "A-1"))[0]
	retrying := outcome(first, payment.Retrying, payment.VerdictNotCharged)
	retrying.NextIn = 0
	l.settle(retrying)

	work := l.take()[0]
	if work.State != payment.Paying || work.Version != 3 || work.Attempt != 2 || work.Attempts != 2 {
		t.Errorf("unexpected work: %+v", work)
	}
	if !work.FirstAttemptAt.Equal(first.FirstAttemptAt) {
		t.Errorf("the first attempt moved from %v to %v", first.FirstAttemptAt, work.FirstAttemptAt)
	}
	if !work.LastAttemptAt.Equal(work.LeasedAt) || !work.LastAttemptAt.After(first.LastAttemptAt) {
		t.Errorf("the last attempt is at %v, leased at %v", work.LastAttemptAt, work.LeasedAt)
	}
	if got := work.NextAt.Sub(work.LeasedAt); got != lease {
		t.Errorf("the lease is %v long", got)
	}
	if a := l.underWay(work.ID); a.Version != 3 || a.Kind != "charge" || a.Number != 2 || !a.StartedAt.Equal(work.LeasedAt) {
		t.Errorf("the attempt on record is %+v", a)
	}
	if n := l.count("events WHERE payment_id = $1 AND version = 3 AND type = 'payment.paying'", work.ID); n != 1 {
		t.Errorf("%d events, want 1", n)
	}
	if got := l.read(work.ID).Request; got.Fingerprint() != work.Fingerprint() || work.Metadata["cart"] != "918273" {
		t.Errorf("the work is not whole: %+v", work)
	}
}

func TestLease_lookupsAreCountedSinceTheLastCharge(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	work := l.put("A-1", payment.Unknown)
	for range 2 {
		again := outcome(work, payment.Unknown, payment.VerdictUnknown)
		again.NextIn = 0
		l.settle(again)
		work = l.take()[0]
	}
	if work.Lookups != 2 {
		t.Errorf("%d look-ups, want 2", work.Lookups)
	}
	retrying := outcome(work, payment.Retrying, payment.VerdictNotFound)
	retrying.NextIn = 0
	l.settle(retrying)
	if work = l.take()[0]; work.State != payment.Paying || work.Lookups != 0 {
		t.Errorf("a new charge begins with %d look-ups", work.Lookups)
	}
}

func TestLease_lostWorkerLeavesAnUnknownPayment(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	claimed, err := l.Claim(t.Context(), []payment.Request{order(t, "A-1")}, nil, time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	first := claimed.Works[0]
	var works []payment.Work
	eventually(t, "the lease has run out", func() bool { works = l.take(); return len(works) == 1 })
	work := works[0]
	if work.State != payment.Unknown || work.Version != 2 || work.Attempts != 1 {
		t.Errorf("unexpected work: %+v", work)
	}
	// Nobody knows when its call ended, only that it was before the take-over.
	if !work.LastAttemptAt.Equal(work.LeasedAt) || !work.FirstAttemptAt.Equal(first.FirstAttemptAt) {
		t.Errorf("the last attempt is over at %v, taken over at %v", work.LastAttemptAt, work.LeasedAt)
	}
	if n := l.count(`attempts WHERE payment_id = $1 AND version = 1 AND kind = 'charge' AND number = 1 AND verdict = 'unknown'
		AND started_at = $2 AND ended_at = $3 AND excerpt = 'lease ran out'`, work.ID, first.LeasedAt, work.LeasedAt); n != 1 {
		t.Errorf("%d attempts ended, want 1", n)
	}
	if n := l.count("attempts"); n != 1 {
		t.Errorf("%d attempts on record, want 1", n)
	}
	if n := l.count("events WHERE payment_id = $1 AND version = 2 AND type = 'payment.unknown'", work.ID); n != 1 {
		t.Errorf("%d events, want 1", n)
	}
}

// Binaries of before begin an attempt's row when they claim, and may die of the
// exchange.
func TestLease_endsAnAttemptWhoseRowIsThere(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	first := l.claim(order(t, "A-1"))[0]
	l.exec(`INSERT INTO attempts (payment_id, version, kind, number, started_at)
		SELECT id, version, 'charge', attempts, last_attempt_at FROM payments`)
	begun, err := l.Attempts(t.Context(), first.ID, 10)
	if err != nil || len(begun) != 1 || begun[0] != l.underWay(first.ID) {
		t.Errorf("under way are %+v, %v", begun, err)
	}
	l.exec("ALTER TABLE payments DISABLE TRIGGER payments_fence")
	l.exec("UPDATE payments SET next_at = now()")
	l.exec("ALTER TABLE payments ENABLE TRIGGER payments_fence")
	work := l.take()[0]
	ended, err := l.Attempts(t.Context(), first.ID, 10)
	if err != nil || len(ended) != 1 || ended[0].Verdict != "unknown" || ended[0].Evidence.Excerpt != "lease ran out" ||
		!ended[0].StartedAt.Equal(first.LeasedAt) || !ended[0].EndedAt.Equal(work.LeasedAt) {
		t.Errorf("ended are %+v, %v", ended, err)
	}
}

func TestLease_openQuestionsStayWhatTheyAre(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	for _, state := range []payment.State{payment.Unknown, payment.Pending} {
		before := l.put("of "+string(state), state)
		events := l.count("events")
		l.makeDue(before.ID)
		work := l.take()[0]
		if work.ID != before.ID || work.State != state || work.Version != before.Version+2 || work.Attempts != 1 {
			t.Errorf("unexpected work: %+v", work)
		}
		if n := l.count("events"); n != events {
			t.Errorf("%d new events of a payment that stays %s", n-events, state)
		}
		if n := l.count("attempts WHERE payment_id = $1", work.ID); n != 0 {
			t.Errorf("%d attempts that nobody made", n)
		}
	}
}

func TestLease_onlyWhatIsDue(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	for _, state := range payment.States() {
		if state != payment.Queued {
			l.put("of "+string(state), state)
		}
	}
	if works := l.take(); len(works) != 0 {
		t.Errorf("%d payments are leased that are not due", len(works))
	}
	l.exec("UPDATE payments SET version = version + 1, next_at = now() WHERE next_at IS NOT NULL")
	if works := l.take(); len(works) != 5 {
		t.Errorf("%d payments are leased, want those scheduled, paying, retrying, unknown and pending", len(works))
	}
	if works := l.take(); len(works) != 0 {
		t.Errorf("%d payments are leased twice", len(works))
	}
}

func TestLease_longestDueFirstAndNoMoreThanAsked(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	works := l.claim(orders(t, 5)...)
	for i, work := range works {
		l.exec(`UPDATE payments SET version = version + 1, next_at = now() - $2 * interval '1 minute'
			WHERE id = $1`, work.ID, i+1)
	}
	got, err := l.Lease(t.Context(), 2, lease)
	if err != nil {
		t.Fatal(err)
	}
	ids := map[payment.ID]bool{}
	for _, work := range got {
		ids[work.ID] = true
	}
	if len(ids) != 2 || !ids[works[4].ID] || !ids[works[3].ID] {
		t.Errorf("%v were leased, want %s and %s", ids, works[4].ID, works[3].ID)
	}
	if got, err := l.Lease(t.Context(), 0, lease); err != nil || len(got) != 0 {
		t.Errorf("asked for none, got %d and %v", len(got), err)
	}
	_, err = l.Lease(t.Context(), 1, -time.Second)
	mustCode(t, err, payment.CodeInvalid)
}

func TestLease_givesNoPaymentToTwo(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	const leasers, payments = 8, 400
	l.claim(orders(t, payments)...)
	l.exec("UPDATE payments SET version = version + 1, next_at = now() - interval '1 second'")
	var mu sync.Mutex
	given := map[payment.ID]int{}
	together(leasers, func(int) {
		for {
			works, err := l.Lease(context.Background(), 7, lease)
			if err != nil {
				t.Error(err)
				return
			}
			mu.Lock()
			for _, work := range works {
				given[work.ID]++
			}
			done := len(given) == payments
			mu.Unlock()
			if done || len(works) == 0 {
				return
			}
		}
	})
	// Those who came while the last rows were locked by others went away early.
	for _, work := range l.take() {
		given[work.ID]++
	}
	for id, n := range given {
		if n != 1 {
			t.Errorf("%s was given to %d", id, n)
		}
	}
	if len(given) != payments {
		t.Errorf("%d of %d payments were leased", len(given), payments)
	}
}

func TestLease_zombieChangesNothing(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	zombie := l.claim(order(t, "A-1"))[0]
	l.exec("ALTER TABLE payments DISABLE TRIGGER payments_fence")
	l.exec("UPDATE payments SET next_at = now()")
	l.exec("ALTER TABLE payments ENABLE TRIGGER payments_fence")
	successor := l.take()[0]

	late := outcome(zombie, payment.Succeeded, payment.VerdictCharged)
	late.Answer.PayerReference = "ch_zombie"
	settled, err := l.Settle(t.Context(), []payment.Outcome{late})
	if err != nil || settled != 0 {
		t.Fatalf("the zombie settled %d, %v", settled, err)
	}
	if p := l.read(zombie.ID); p.State != payment.Unknown || p.Version != successor.Version || p.PayerReference != "" {
		t.Errorf("the zombie changed the payment: %+v", p)
	}
	if n := l.count("attempts WHERE payer_reference = 'ch_zombie' OR verdict = 'charged'"); n != 0 {
		t.Error("the zombie changed the attempt")
	}
	if n := l.count("events"); n != 2 {
		t.Errorf("%d events, want 2", n)
	}
	l.settle(outcome(successor, payment.Succeeded, payment.VerdictCharged))
}

// A worker that is about to settle holds the row's lock; nobody waits for it.
func TestLease_passesOverWhatIsBeingSettled(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	works := l.claim(orders(t, 2)...)
	l.makeDue(works[0].ID)
	l.makeDue(works[1].ID)
	tx, err := l.raw.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback(context.Background()) }()
	if _, err := tx.Exec(t.Context(), "SELECT 1 FROM payments WHERE id = $1 FOR UPDATE", works[0].ID); err != nil {
		t.Fatal(err)
	}
	if got := l.take(); len(got) != 1 || got[0].ID != works[1].ID {
		t.Errorf("%+v were leased", got)
	}
}
