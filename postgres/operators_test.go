package postgres_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

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

// plan gives how the server goes about a statement of the ledger's kind.
func (l *ledger) plan(sql string, args ...any) string {
	l.t.Helper()
	tx, err := l.raw.Begin(l.t.Context())
	if err != nil {
		l.t.Fatal(err)
	}
	defer func() { _ = tx.Rollback(l.t.Context()) }()
	if _, err := tx.Exec(l.t.Context(), "SET LOCAL enable_seqscan = off"); err != nil {
		l.t.Fatal(err)
	}
	rows, err := tx.Query(l.t.Context(), "EXPLAIN "+sql, args...)
	if err != nil {
		l.t.Fatal(err)
	}
	defer rows.Close()
	var lines []string
	for rows.Next() {
		var line string
		if err := rows.Scan(&line); err != nil {
			l.t.Fatal(err)
		}
		lines = append(lines, line)
	}
	if err := rows.Err(); err != nil {
		l.t.Fatal(err)
	}
	return strings.Join(lines, "\n")
}

func TestReads_ofTheNewKindGoByAnIndex(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	for _, request := range orders(t, 300) {
		l.put(request.OrderNumber, payment.Succeeded)
	}
	l.put("parked", payment.Parked)
	l.exec("ANALYZE payments")
	for sql, index := range map[string]string{
		`SELECT s.id FROM payments p, payments s WHERE p.id = 'x' AND s.tenant_id = p.tenant_id
			AND s.order_number = p.order_number AND s.retry_of = p.id`: "payments_order_key",
		"SELECT * FROM payments WHERE state = 'parked' ORDER BY updated_at, id LIMIT 5": "payments_parked",
		"SELECT * FROM payments WHERE state = 'unknown' AND next_at IS NOT NULL":        "payments_due",
	} {
		if plan := l.plan(sql); !strings.Contains(plan, index) || strings.Contains(plan, "Seq Scan") {
			t.Errorf("%s goes by\n%s", sql, plan)
		}
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
