package postgres_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/paybuf/paybuf/payment"
)

func TestPaymentForOperator_isOfAnyTenant(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	chain := l.chain("A-1", payment.Failed, payment.Parked)
	p, err := l.PaymentForOperator(t.Context(), chain[0].ID)
	if err != nil || p.Tenant != tenant || p.RetriedBy != chain[1].ID {
		t.Errorf("got %+v, %v", p, err)
	}
	_, err = l.PaymentForOperator(t.Context(), order(t, "B").ID)
	mustCode(t, err, payment.CodeNotFound)
}

func TestListForOperator_givesTheLongestFirst(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	for _, state := range payment.States() {
		if state == payment.Queued || state.Final() {
			_, err := l.ListForOperator(t.Context(), state, 10)
			mustCode(t, err, payment.CodeInvalid)
			continue
		}
		var want []payment.ID
		for i := range 4 {
			work := l.put(fmt.Sprintf("%s %d", state, i), state)
			l.exec("UPDATE payments SET version = version + 1, updated_at = now() - $2 * interval '1 hour' WHERE id = $1", work.ID, i)
			want = append(want, work.ID)
		}
		slices.Reverse(want)
		got, err := l.ListForOperator(t.Context(), state, 3)
		if err != nil || len(got) != 3 {
			t.Fatalf("%s: %d payments, %v", state, len(got), err)
		}
		for i, p := range got {
			if p.ID != want[i] || p.State != state {
				t.Errorf("%s: payment %d is %s in %s, want %s", state, i, p.ID, p.State, want[i])
			}
		}
	}
	if none, err := l.ListForOperator(t.Context(), payment.Parked, 0); err != nil || len(none) != 0 {
		t.Errorf("of none, %d and %v", len(none), err)
	}
}

func TestAttempts_areReadWithWhatThePayerSaid(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	work := l.claim(order(t, "A-1"))[0]
	lost := outcome(work, payment.Unknown, payment.VerdictUnknown)
	lost.NextIn = 0
	lost.Answer.Evidence = payment.Evidence{HTTPStatus: 502, RequestID: "req_1", Excerpt: "bad gateway"}
	l.settle(lost)
	asked := outcome(l.take()[0], payment.Retrying, payment.VerdictNotFound)
	asked.NextIn = 0
	l.settle(asked)
	again := l.take()[0] // under way
	got, err := l.Attempts(t.Context(), work.ID, 10)
	if err != nil || len(got) != 3 {
		t.Fatalf("got %+v, %v", got, err)
	}
	first, second, third := got[0], got[1], got[2]
	if first.Kind != "charge" || first.Number != 1 || first.Version != 1 || first.Verdict != "unknown" ||
		first.Evidence != lost.Answer.Evidence || first.PaymentID != work.ID || !first.StartedAt.Equal(work.LeasedAt) ||
		first.EndedAt.Before(first.StartedAt) {
		t.Errorf("the first is %+v", first)
	}
	if second.Kind != "lookup" || second.Number != 1 || second.Verdict != "not_found" {
		t.Errorf("the second is %+v", second)
	}
	if third.Version != again.Version || third.Number != 2 || third.Verdict != "" || !third.EndedAt.IsZero() {
		t.Errorf("the third is %+v", third)
	}
	if last, err := l.Attempts(t.Context(), work.ID, 1); err != nil || len(last) != 1 || last[0] != third {
		t.Errorf("the last is %+v, %v", last, err)
	}
}
