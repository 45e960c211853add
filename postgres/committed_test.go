package postgres_test

import (
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/paybuf/paybuf/payment"
	"github.com/paybuf/paybuf/postgres"
)

// listener collects what a ledger tells of.
type listener struct {
	mu      sync.Mutex
	changes []payment.Change
}

func (to *listener) add(changes []payment.Change) {
	to.mu.Lock()
	defer to.mu.Unlock()
	to.changes = append(to.changes, changes...)
}

// want takes what was told since the last call, in any order.
func (to *listener) want(t *testing.T, what string, want ...payment.Change) {
	t.Helper()
	to.mu.Lock()
	defer to.mu.Unlock()
	got := to.changes
	to.changes = nil
	for _, change := range want {
		if i := slices.Index(got, change); i >= 0 {
			got = slices.Delete(got, i, i+1)
			continue
		}
		t.Errorf("%s: nobody was told of %+v", what, change)
	}
	for _, change := range got {
		t.Errorf("%s: was told of %+v", what, change)
	}
}

func tellingLedger(t *testing.T) (*ledger, *listener) {
	t.Helper()
	to := &listener{}
	return openLedger(t, newLedger(t).url, postgres.Config{Committed: to.add}), to
}

func TestCommitted_tellsOfEachChange(t *testing.T) {
	t.Parallel()
	l, to := tellingLedger(t)
	first, second, later := order(t, "A-1"), order(t, "A-2"), order(t, "A-3")
	later.NotBefore = time.Now().Add(time.Hour)
	held := l.claim(first)[0]
	l.claim(second)
	change := func(r payment.Request, version int64) payment.Change {
		return payment.Change{ID: r.ID, Tenant: r.Tenant, Version: version, RetryOf: r.RetryOf}
	}
	to.want(t, "claim", change(first, 1), change(second, 1))

	if _, err := l.Claim(t.Context(), []payment.Request{first, later}, nil, lease); err != nil {
		t.Fatal(err)
	}
	to.want(t, "claim of a known one and a scheduled one", change(later, 1))

	conflict := order(t, "A-2", func(d *payment.Draft) { d.AmountMinor++ })
	fourth := order(t, "A-4")
	if _, err := l.Claim(t.Context(), []payment.Request{first, fourth}, []payment.Request{conflict}, lease); err != nil {
		t.Fatal(err)
	}
	to.want(t, "claim beside a conflict", change(fourth, 1))

	declined := outcome(held, payment.Failed, payment.VerdictDeclined)
	if _, err := l.Settle(t.Context(), []payment.Outcome{declined}); err != nil {
		t.Fatal(err)
	}
	to.want(t, "settle", change(first, 2))

	retry := order(t, "A-1", func(d *payment.Draft) { d.RetryOf = string(first.ID) })
	l.claim(retry)
	to.want(t, "claim of a retry", change(retry, 1))
	if retry.RetryOf != first.ID {
		t.Errorf("the retry does not name the payment that shows it: %+v", change(retry, 1))
	}

	l.makeDue(second.ID)
	if _, err := l.Lease(t.Context(), 10, lease); err != nil {
		t.Fatal(err)
	}
	to.want(t, "lease", change(second, 3))

	if _, err := l.Cancel(t.Context(), payment.Cancellation{Tenant: later.Tenant, ID: later.ID}); err != nil {
		t.Fatal(err)
	}
	to.want(t, "cancel", change(later, 2))

	l.exec("UPDATE payments SET state = 'parked', version = version + 1, next_at = NULL WHERE id = $1", second.ID)
	if _, err := l.Release(t.Context(), payment.Release{
		ID: second.ID, Version: 4, To: payment.Canceled, Operator: "ada", Reason: "never sent",
	}); err != nil {
		t.Fatal(err)
	}
	to.want(t, "release", change(second, 5))

	lost := l.put("A-5", payment.Unknown)
	charge := l.told(line(lost.ID, "ch_1"))[0]
	to.want(t, "claim of what is lost later", change(lost.Request, 1))
	l.judge(payment.ChargeJudgement{StatedCharge: charge, To: payment.Succeeded})
	to.want(t, "judgement", change(lost.Request, charge.Version+1))
}

func TestCommitted_isNotToldOfWhatDidNotCommit(t *testing.T) {
	t.Parallel()
	l, to := tellingLedger(t)
	if _, err := l.Claim(t.Context(), []payment.Request{order(t, "A-1")}, nil, 0); err == nil {
		t.Error("a claim without a lease succeeds")
	}
	if _, err := l.Cancel(t.Context(), payment.Cancellation{Tenant: "acme", ID: order(t, "A-9").ID}); err == nil {
		t.Error("a payment that does not exist was canceled")
	}
	to.want(t, "what failed")
}

func TestPaymentsOf_givesEachTenantItsOwn(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	first, second := l.claim(order(t, "A-1"))[0], l.claim(order(t, "A-2"))[0]
	ids := []payment.ID{second.ID, order(t, "A-3").ID, first.ID, first.ID, first.ID}
	found, err := l.PaymentsOf(t.Context(), []payment.TenantID{tenant, tenant, tenant, "other", tenant}, ids)
	if err != nil || len(found) != len(ids) {
		t.Fatalf("got %d: %v", len(found), err)
	}
	for i, id := range ids {
		switch p := found[i]; {
		case i == 1 || i == 3:
			if p != nil {
				t.Errorf("%s of another tenant, or of none, is %+v", id, p)
			}
		case p == nil || p.ID != id || p.Tenant != tenant:
			t.Errorf("%s is %+v", id, p)
		}
	}
	for _, ids := range [][]payment.ID{make([]payment.ID, 1), make([]payment.ID, postgres.BatchMax+1)} {
		if _, err := l.PaymentsOf(t.Context(), nil, ids); err == nil {
			t.Errorf("%d ids without tenants are taken", len(ids))
		}
	}
}

func TestPaymentsByID_readsThoseThatExist(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	first, second := order(t, "A-1"), order(t, "A-2")
	l.claim(first, second)
	found, err := l.PaymentsByID(t.Context(), []payment.ID{first.ID, order(t, "A-3").ID, second.ID, "no id"})
	if err != nil {
		t.Fatal(err)
	}
	got := map[payment.ID]payment.State{}
	for _, p := range found {
		got[p.ID] = p.State
	}
	if len(found) != 2 || got[first.ID] != payment.Paying || got[second.ID] != payment.Paying {
		t.Errorf("found %v", got)
	}
	if found, err := l.PaymentsByID(t.Context(), nil); err != nil || len(found) != 0 {
		t.Errorf("of none: %v, %v", found, err)
	}
	if _, err := l.PaymentsByID(t.Context(), make([]payment.ID, postgres.BatchMax+1)); err == nil {
		t.Error("more than a batch were read")
	}
}
