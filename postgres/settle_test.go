package postgres_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/paybuf/paybuf/payment"
	"github.com/paybuf/paybuf/postgres"
)

func TestSettle_takesEveryStepOfTheTable(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	for _, from := range payment.States() {
		for _, to := range payment.States() {
			if from == payment.Queued || to == payment.Paying || !from.MayBecome(to) {
				continue
			}
			work := l.put(fmt.Sprintf("%s to %s", from, to), from)
			l.settle(outcome(work, to, payment.VerdictUnknown))
			p := l.read(work.ID)
			if p.State != to || p.Version != work.Version+1 {
				t.Errorf("%s to %s: the payment is %s in version %d", from, to, p.State, p.Version)
			}
			if stops := to.Final() || to == payment.Parked; stops != p.NextAt.IsZero() {
				t.Errorf("%s to %s: the payment is due at %v", from, to, p.NextAt)
			}
			if n := l.count("events WHERE payment_id = $1 AND version = $2 AND state = $3 AND type = $4",
				work.ID, p.Version, to, payment.EventType(to)); n != 1 {
				t.Errorf("%s to %s: %d events, want 1", from, to, n)
			}
		}
	}
}

func TestSettle_refusesEveryOtherStep(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	good := outcome(l.put("good", payment.Paying), payment.Succeeded, payment.VerdictCharged)
	for _, from := range payment.States() {
		for _, to := range payment.States() {
			stays := from == to && !from.Final() && from != payment.Paying
			if stays || (from.MayBecome(to) && to != payment.Paying) {
				continue
			}
			bad := payment.Outcome{ID: order(t, "bad").ID, Version: 1, From: from, To: to}
			_, err := l.Settle(t.Context(), []payment.Outcome{good, bad})
			mustCode(t, err, payment.CodeInvalid)
			for _, named := range []string{string(bad.ID), "from " + string(from), "to " + string(to)} {
				if !strings.Contains(err.Error(), named) {
					t.Errorf("the error does not say %q: %v", named, err)
				}
			}
		}
	}
	if p := l.read(good.ID); p.State != payment.Paying {
		t.Errorf("a refused batch was written in part: %+v", p)
	}
}

func TestSettle_chargeEndsItsAttempt(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	work := l.claim(order(t, "A-1"))[0]
	charged := outcome(work, payment.Succeeded, payment.VerdictCharged)
	charged.Answer.PayerReference = "ch_1"
	charged.Answer.Evidence = payment.Evidence{HTTPStatus: 201, RequestID: "req_1", Excerpt: `{"id":"ch_1"}`}
	l.settle(charged)
	if n := l.count(`attempts WHERE payment_id = $1 AND version = 1 AND kind = 'charge' AND number = 1
		AND started_at = $2 AND ended_at >= started_at AND verdict = 'charged' AND payer_reference = 'ch_1'
		AND http_status = 201 AND request_id = 'req_1' AND excerpt = '{"id":"ch_1"}'`, work.ID, work.LeasedAt); n != 1 {
		t.Errorf("%d such attempts, want 1", n)
	}
	if n := l.count("attempts"); n != 1 {
		t.Errorf("%d attempts, want 1", n)
	}
	if p := l.read(work.ID); p.PayerReference != "ch_1" || p.Attempts != 1 || !p.UpdatedAt.After(work.LeasedAt) {
		t.Errorf("unexpected payment: %+v", p)
	}
}

func TestSettle_lookupIsAnAttemptOfItsOwn(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	first := l.claim(order(t, "A-1"))[0]
	accepted := outcome(first, payment.Pending, payment.VerdictPending)
	accepted.Answer.PayerReference = "ch_1"
	accepted.NextIn = 0
	l.settle(accepted)
	work := l.take()[0]
	events := l.count("events")
	again := outcome(work, payment.Pending, payment.VerdictPending)
	again.NextIn = 0
	l.settle(again)

	if n := l.count(`attempts WHERE payment_id = $1 AND version = $2 AND kind = 'lookup' AND number = 1
		AND started_at = $3 AND ended_at >= started_at AND verdict = 'pending'`,
		work.ID, work.Version, work.LeasedAt); n != 1 {
		t.Errorf("%d such attempts, want 1", n)
	}
	if p := l.read(work.ID); p.PayerReference != "ch_1" || p.Attempts != 1 || p.Version != work.Version+1 {
		t.Errorf("unexpected payment: %+v", p)
	}
	if n := l.count("events"); n != events {
		t.Error("an event tells of a payment that stays what it is")
	}
	if work = l.take()[0]; work.Lookups != 1 {
		t.Errorf("%d look-ups, want 1", work.Lookups)
	}
}

func TestSettle_operatorsStepIsNoAttempt(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	for _, from := range []payment.State{payment.Parked, payment.Retrying} {
		l.settle(outcome(l.put("of "+string(from), from), payment.Canceled, payment.VerdictUnknown))
	}
	if n := l.count("attempts WHERE verdict IS NOT NULL OR kind = 'lookup'"); n != 0 {
		t.Errorf("%d attempts that nobody made", n)
	}
}

func TestSettle_keepsTheReasonOfTheLatestStep(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	work := l.claim(order(t, "A-1"))[0]
	parked := outcome(work, payment.Parked, payment.VerdictUnknown)
	parked.Failure = payment.Failure{Code: "no_evidence", Message: "ask the payer"}
	l.settle(parked)
	if p := l.read(work.ID); p.Failure != parked.Failure {
		t.Errorf("the reason is %+v, want %+v", p.Failure, parked.Failure)
	}
	work.State, work.Version = payment.Parked, 2
	l.settle(outcome(work, payment.Succeeded, payment.VerdictCharged))
	if p := l.read(work.ID); p.Failure != (payment.Failure{}) {
		t.Errorf("a payment that succeeded has the reason %+v", p.Failure)
	}
}

func TestSettle_pausesByTheDatabasesClock(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	for nextIn, want := range map[time.Duration]time.Duration{
		90 * time.Second: 90 * time.Second, 1500 * time.Microsecond: 1500 * time.Microsecond, 0: 0, -time.Hour: 0,
	} {
		work := l.claim(order(t, "in "+nextIn.String()))[0]
		retrying := outcome(work, payment.Retrying, payment.VerdictNotCharged)
		retrying.NextIn = nextIn
		l.settle(retrying)
		if p := l.read(work.ID); p.NextAt.Sub(p.UpdatedAt) != want {
			t.Errorf("due %v after the write, want %v", p.NextAt.Sub(p.UpdatedAt), want)
		}
	}
}

func TestSettle_lateOutcomeDoesNotHoldUpTheOthers(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	works := l.claim(orders(t, 5)...)
	l.makeDue(works[2].ID)
	l.take()
	var outcomes []payment.Outcome
	for _, work := range works {
		outcomes = append(outcomes, outcome(work, payment.Succeeded, payment.VerdictCharged))
	}
	outcomes = append(outcomes, payment.Outcome{
		ID: order(t, "nobody").ID, Version: 1, From: payment.Paying, To: payment.Succeeded,
	})
	settled, err := l.Settle(t.Context(), outcomes)
	if err != nil || settled != 4 {
		t.Fatalf("%d were settled, %v", settled, err)
	}
	settled, err = l.Settle(t.Context(), outcomes)
	if err != nil || settled != 0 {
		t.Errorf("%d were settled a second time, %v", settled, err)
	}
	if n := l.count("payments WHERE state = 'succeeded' AND version = 2"); n != 4 {
		t.Errorf("%d succeeded, want 4", n)
	}
	if n := l.count("events WHERE state = 'succeeded'"); n != 4 {
		t.Errorf("%d events, want 4", n)
	}
}

// A payer's odd bytes must not cost us the record of a charge.
func TestSettle_storesWhateverAPayerAnswers(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	work := l.claim(order(t, "A-1"))[0]
	odd := outcome(work, payment.Failed, payment.VerdictDeclined)
	odd.Answer.PayerReference = "ch\x00_1\xff"
	odd.Answer.Evidence = payment.Evidence{
		HTTPStatus: 402, RequestID: "\xc3(", Excerpt: strings.Repeat("ä", payment.EvidenceBytesMax),
	}
	odd.Failure = payment.Failure{Code: "a\x00b", Message: strings.Repeat("\xff", 5000)}
	l.settle(odd)
	p := l.read(work.ID)
	if p.State != payment.Failed || p.PayerReference != "ch\uFFFD_1\uFFFD" || p.Failure.Code != "a\uFFFDb" {
		t.Errorf("unexpected payment: %+v", p)
	}
	if got := query[string](l, "SELECT excerpt FROM attempts"); got != strings.Repeat("ä", payment.EvidenceBytesMax/2) {
		t.Errorf("the excerpt has %d bytes", len(got))
	}
}

func TestSettle_refusesCallsWithoutSense(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	one := outcome(l.put("A-1", payment.Paying), payment.Succeeded, payment.VerdictCharged)
	_, err := l.Settle(t.Context(), []payment.Outcome{one, one})
	mustCode(t, err, payment.CodeInvalid)
	_, err = l.Settle(t.Context(), make([]payment.Outcome, postgres.BatchMax+1))
	mustCode(t, err, payment.CodeInvalid)
	if settled, err := l.Settle(t.Context(), nil); settled != 0 || err != nil {
		t.Errorf("of nothing, %d were settled, %v", settled, err)
	}
}

func TestSettle_unsortedBatchesDoNotLockUp(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	const settlers, payments, rounds = 8, 60, 10
	var outcomes []payment.Outcome
	for _, request := range orders(t, payments) {
		l.claim(request)
		l.exec("UPDATE payments SET version = 2, state = 'unknown' WHERE id = $1", request.ID)
		outcomes = append(outcomes, payment.Outcome{
			ID: request.ID, Version: 2, From: payment.Unknown, To: payment.Unknown, NextIn: time.Hour,
		})
	}
	for range rounds {
		totals := make([]int, settlers)
		together(settlers, func(i int) {
			mine := slices.Clone(outcomes)
			if i%2 == 1 {
				slices.Reverse(mine)
			}
			var err error
			if totals[i], err = l.Settle(context.Background(), mine); err != nil {
				t.Error(err)
			}
		})
		sum := 0
		for _, n := range totals {
			sum += n
		}
		if sum != payments {
			t.Fatalf("%d outcomes were written, want each of %d once", sum, payments)
		}
		for i := range outcomes {
			outcomes[i].Version++
		}
	}
}

func TestSettle_isRepeatedAfterADeadlock(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	works := l.claim(orders(t, 2)...)
	tx, err := l.raw.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback(context.Background()) }()
	const lockSQL = "SELECT 1 FROM payments WHERE id = $1 FOR UPDATE"
	if _, err := tx.Exec(t.Context(), lockSQL, works[1].ID); err != nil {
		t.Fatal(err)
	}
	wait := background(func() (int, error) {
		return l.Settle(context.Background(), []payment.Outcome{
			outcome(works[0], payment.Succeeded, payment.VerdictCharged),
			outcome(works[1], payment.Succeeded, payment.VerdictCharged),
		})
	})
	l.waitForLocks(1)
	// Settle waited first, so it is the one that the server gives up.
	if _, err := tx.Exec(t.Context(), lockSQL, works[0].ID); err != nil {
		t.Fatal(err)
	}
	if err := tx.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	if settled, err := wait(t.Context()); err != nil || settled != 2 {
		t.Errorf("%d were settled, %v", settled, err)
	}
}
