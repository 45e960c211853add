package postgres_test

import (
	"testing"
	"time"

	"github.com/paybuf/paybuf/payment"
)

// later makes a request one for a time.
func later(t *testing.T, number string, at time.Time) payment.Request {
	t.Helper()
	request := order(t, number)
	request.NotBefore = at.UTC().Truncate(time.Millisecond)
	return request
}

func TestClaim_scheduledPaymentWaitsForItsTime(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	request := later(t, "A-1", time.Now().Add(24*time.Hour))
	for _, want := range []payment.Claimed{{Scheduled: 1}, {Duplicates: 1}} { // redelivered
		claimed, err := l.Claim(t.Context(), []payment.Request{request}, nil, lease)
		if err != nil || len(claimed.Works) != 0 || claimed.Scheduled != want.Scheduled || claimed.Duplicates != want.Duplicates {
			t.Fatalf("got %+v, %v; want %+v", claimed, err, want)
		}
	}
	p := l.read(request.ID)
	if p.State != payment.Scheduled || p.Attempts != 0 || p.Version != 1 || !p.NextAt.Equal(request.NotBefore) {
		t.Errorf("unexpected payment: %+v", p)
	}
	if !p.NotBefore.Equal(request.NotBefore) || p.Fingerprint() != request.Fingerprint() {
		t.Errorf("the request came back as %+v", p.Request)
	}
	if n := l.count("attempts"); n != 0 {
		t.Errorf("%d attempts before its time", n)
	}
	if n := l.count("events WHERE payment_id = $1 AND type = 'payment.scheduled' AND state = 'scheduled'", p.ID); n != 1 {
		t.Errorf("%d events, want 1", n)
	}
	if works := l.take(); len(works) != 0 {
		t.Errorf("%d were leased before their time", len(works))
	}
}

func TestClaim_timeThatIsOverIsPaidAtOnce(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	work := l.claim(later(t, "A-1", time.Now().Add(-time.Hour)))[0]
	if work.State != payment.Paying || l.read(work.ID).NotBefore.IsZero() {
		t.Errorf("unexpected work: %+v", work)
	}
}

func TestClaim_anotherTimeIsAnotherBody(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	at := time.Now().Add(time.Hour)
	for _, request := range []payment.Request{later(t, "A-1", at), later(t, "A-1", at.Add(time.Hour)), order(t, "A-1")} {
		if _, err := l.Claim(t.Context(), []payment.Request{request}, nil, lease); err != nil {
			t.Fatal(err)
		}
	}
	if n := l.count("conflicts"); n != 2 {
		t.Errorf("%d conflicts, want 2", n)
	}
}

func TestLease_scheduledPaymentIsPaidWhenItIsDue(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	request := later(t, "A-1", time.Now().Add(time.Hour))
	if _, err := l.Claim(t.Context(), []payment.Request{request}, nil, lease); err != nil {
		t.Fatal(err)
	}
	l.makeDue(request.ID)
	work := l.take()[0]
	if work.State != payment.Paying || work.Attempt != 1 || work.Attempts != 1 || work.Lookups != 0 {
		t.Errorf("unexpected work: %+v", work)
	}
	if !work.FirstAttemptAt.Equal(work.LeasedAt) || !work.LastAttemptAt.Equal(work.LeasedAt) {
		t.Errorf("attempts at %v and %v, leased at %v", work.FirstAttemptAt, work.LastAttemptAt, work.LeasedAt)
	}
	if a := l.underWay(work.ID); a.Version != work.Version || a.Number != 1 || !a.StartedAt.Equal(work.LeasedAt) {
		t.Errorf("the attempt on record is %+v", a)
	}
	if n := l.count("events WHERE payment_id = $1 AND version = $2 AND type = 'payment.paying'", work.ID, work.Version); n != 1 {
		t.Errorf("%d events, want 1", n)
	}
	l.settle(outcome(work, payment.Succeeded, payment.VerdictCharged))
}

// A retry that is scheduled is judged when it is claimed: nothing before it can
// change any more.
func TestClaim_scheduledRetryIsJudgedAtOnce(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	for state, want := range map[payment.State]payment.Claimed{
		payment.Failed: {Scheduled: 1}, payment.Paying: {Refused: 1},
	} {
		first := l.put("of "+string(state), state)
		retry := order(t, first.OrderNumber, retrying(first.ID))
		retry.NotBefore = time.Now().Add(time.Hour)
		claimed, err := l.Claim(t.Context(), []payment.Request{retry}, nil, lease)
		if err != nil || claimed.Scheduled != want.Scheduled || claimed.Refused != want.Refused {
			t.Errorf("after %s: %+v, %v", state, claimed, err)
		}
	}
}

// What docs/operating.md has an operator do after a restore to an earlier moment:
// what may have been sent since then is asked about first.
func TestLease_afterARestoreScheduledPaymentsCanBeAskedAboutFirst(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	request := later(t, "A-1", time.Now().Add(time.Hour))
	if _, err := l.Claim(t.Context(), []payment.Request{request}, nil, lease); err != nil {
		t.Fatal(err)
	}
	l.exec(`UPDATE payments
		SET state = 'unknown', version = version + 1, next_at = now(), updated_at = now(),
		    first_attempt_at = coalesce(first_attempt_at, now())
		WHERE state = 'retrying' OR (state = 'scheduled' AND not_before <= now() + interval '1 day')`)
	work := l.take()[0]
	if work.State != payment.Unknown || work.Attempt != 0 || work.FirstAttemptAt.IsZero() {
		t.Errorf("unexpected work: %+v", work)
	}
	notFound := outcome(work, payment.Retrying, payment.VerdictNotFound)
	notFound.NextIn = 0
	l.settle(notFound)
	if work = l.take()[0]; work.State != payment.Paying || work.Attempt != 1 {
		t.Errorf("unexpected work: %+v", work)
	}
}
