package postgres_test

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/paybuf/paybuf/payment"
)

// decision is what an operator makes of a parked payment.
func decision(work payment.Work, to payment.State) payment.Release {
	r := payment.Release{ID: work.ID, Version: work.Version, To: to, Operator: "ada", Reason: "asked the payer"}
	if to == payment.Succeeded {
		r.PayerReference = "ch_1"
	}
	return r
}

func TestRelease_takesEveryStepOfTheTable(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	for _, to := range payment.States() {
		work := l.put("to "+string(to), payment.Parked)
		p, err := l.Release(t.Context(), decision(work, to))
		if !payment.Parked.MayBecome(to) {
			mustCode(t, err, payment.CodeInvalid)
			continue
		}
		if err != nil || p.State != to || p.Version != work.Version+1 {
			t.Fatalf("to %s: %+v, %v", to, p, err)
		}
		if n := l.count(`releases r JOIN payments p ON p.id = r.payment_id AND p.version = r.version AND p.state = r.state
			WHERE p.id = $1 AND r.operator = 'ada' AND r.reason = 'asked the payer' AND r.at = p.updated_at`, work.ID); n != 1 {
			t.Errorf("to %s: %d decisions on record, want 1", to, n)
		}
		if n := l.count("events WHERE payment_id = $1 AND version = $2 AND type = $3", work.ID, p.Version, payment.EventType(to)); n != 1 {
			t.Errorf("to %s: %d events, want 1", to, n)
		}
		want := payment.Failure{}
		if to == payment.Failed {
			want = payment.Failure{Code: "released_as_failed", Message: "asked the payer"}
		}
		if p.Failure != want || (to == payment.Succeeded) != (p.PayerReference == "ch_1") {
			t.Errorf("to %s: %+v, reference %q", to, p.Failure, p.PayerReference)
		}
	}
}

func TestRelease_toRetryingIsAFirstAttemptAgain(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	parked := l.put("A-1", payment.Parked)
	if _, err := l.Release(t.Context(), decision(parked, payment.Retrying)); err != nil {
		t.Fatal(err)
	}
	work := l.take()[0]
	if work.State != payment.Paying || work.Attempt != 2 || work.Lookups != 0 {
		t.Errorf("unexpected work: %+v", work)
	}
	if !work.FirstAttemptAt.Equal(work.LeasedAt) || !work.FirstAttemptAt.After(parked.FirstAttemptAt) {
		t.Errorf("the key's window began at %v, leased at %v", work.FirstAttemptAt, work.LeasedAt)
	}
}

func TestRelease_toUnknownIsAskedAndKeepsItsHistory(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	parked := l.put("A-1", payment.Parked)
	if _, err := l.Release(t.Context(), decision(parked, payment.Unknown)); err != nil {
		t.Fatal(err)
	}
	work := l.take()[0]
	if work.State != payment.Unknown || work.Attempt != 1 || !work.FirstAttemptAt.Equal(parked.FirstAttemptAt) {
		t.Errorf("unexpected work: %+v", work)
	}
}

func TestRelease_onlyOfWhatWasLookedAt(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	for _, state := range payment.States() {
		if state == payment.Queued || state == payment.Parked {
			continue
		}
		work := l.put("of "+string(state), state)
		_, err := l.Release(t.Context(), decision(work, payment.Canceled))
		mustCode(t, err, payment.CodeNotReleasable)
		if _, detail := payment.CodeOf(err); !strings.Contains(detail, string(state)) {
			t.Errorf("%q does not say %s", detail, state)
		}
	}
	work := l.put("A-1", payment.Parked)
	early := decision(work, payment.Failed)
	early.Version--
	_, err := l.Release(t.Context(), early)
	mustCode(t, err, payment.CodeNotReleasable)
	_, err = l.Release(t.Context(), payment.Release{ID: order(t, "B").ID, Version: 1, To: payment.Failed, Operator: "a", Reason: "b"})
	mustCode(t, err, payment.CodeNotFound)
	if n := l.count("releases"); n != 0 {
		t.Errorf("%d decisions on record that were not made", n)
	}
}

func TestRelease_needsAWholeDecision(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	work := l.put("A-1", payment.Parked)
	for name, change := range map[string]func(*payment.Release){
		"no reason":            func(r *payment.Release) { r.Reason = "" },
		"too long a reason":    func(r *payment.Release) { r.Reason = strings.Repeat("x", 1001) },
		"nobody":               func(r *payment.Release) { r.Operator = "" },
		"no reference":         func(r *payment.Release) { r.PayerReference = "" },
		"a useless reference":  func(r *payment.Release) { r.To = payment.Failed },
		"too long a reference": func(r *payment.Release) { r.PayerReference = strings.Repeat("x", 1001) },
		"a card as a reason":   func(r *payment.Release) { r.Reason = "it was 4242 4242 4242 4242" },
		"a card as reference":  func(r *payment.Release) { r.PayerReference = "4242424242424242" },
		"a reason in colours":  func(r *payment.Release) { r.Reason = "a\x1b[31mb" },
		"a broken reason":      func(r *payment.Release) { r.Reason = "a\xffb" },
		"an odd reason":        func(r *payment.Release) { r.Reason = "a\x00b" },
	} {
		r := decision(work, payment.Succeeded)
		change(&r)
		_, err := l.Release(t.Context(), r)
		if code, _ := payment.CodeOf(err); code != payment.CodeInvalid {
			t.Errorf("%s: %v", name, err)
		}
	}
	if p := l.read(work.ID); p.State != payment.Parked {
		t.Errorf("the payment is %s", p.State)
	}
}

func TestRelease_ofManyAtOnceOneCounts(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	const operators, rounds = 8, 8
	ends := []payment.State{payment.Retrying, payment.Unknown, payment.Succeeded, payment.Failed, payment.Canceled}
	for _, request := range orders(t, rounds) {
		work := l.put(request.OrderNumber, payment.Parked)
		var released atomic.Int64
		together(operators, func(i int) {
			_, err := l.Release(context.Background(), decision(work, ends[i%len(ends)]))
			if code, _ := payment.CodeOf(err); err != nil && code != payment.CodeNotReleasable {
				t.Error(err)
			}
			if err == nil {
				released.Add(1)
			}
		})
		if n := l.count("releases WHERE payment_id = $1", work.ID); released.Load() != 1 || n != 1 {
			t.Errorf("%d released it, %d are on record", released.Load(), n)
		}
	}
}

func TestReleases_areReadLatestFirst(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	first := l.put("A-1", payment.Parked)
	p, err := l.Release(t.Context(), decision(first, payment.Unknown))
	if err != nil {
		t.Fatal(err)
	}
	second := l.move(payment.Work{Payment: p}, payment.Parked)
	if _, err := l.Release(t.Context(), decision(second, payment.Failed)); err != nil {
		t.Fatal(err)
	}
	got, err := l.Releases(t.Context(), first.ID)
	if err != nil || len(got) != 2 || got[0].To != payment.Failed || got[0].Version != second.Version ||
		got[1].Version != first.Version || got[1].Operator != "ada" || !got[1].At.Equal(p.UpdatedAt) {
		t.Errorf("got %+v, %v", got, err)
	}
	if none, err := l.Releases(t.Context(), order(t, "B").ID); err != nil || len(none) != 0 {
		t.Errorf("got %+v, %v", none, err)
	}
}

// A release is about the moment at which it is made, so it is not due earlier.
func TestRelease_isDueAtOnceByTheDatabasesClock(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	for _, to := range []payment.State{payment.Retrying, payment.Unknown} {
		p, err := l.Release(t.Context(), decision(l.put(string(to), payment.Parked), to))
		if err != nil || !p.NextAt.Equal(p.UpdatedAt) || query[time.Time](l, "SELECT now()").Before(p.NextAt) {
			t.Errorf("to %s: due at %v, released at %v, %v", to, p.NextAt, p.UpdatedAt, err)
		}
	}
}
