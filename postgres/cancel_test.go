package postgres_test

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/paybuf/paybuf/payment"
)

// cancel cancels what can be canceled.
func (l *ledger) cancel(c payment.Cancellation) payment.Payment {
	l.t.Helper()
	p, err := l.Cancel(l.t.Context(), c)
	if err != nil {
		l.t.Fatal(err)
	}
	if p.State != payment.Canceled || !p.NextAt.IsZero() {
		l.t.Fatalf("unexpected payment: %+v", p)
	}
	return p
}

func byOrder(first payment.Request) payment.Cancellation {
	return payment.Cancellation{Tenant: tenant, OrderNumber: first.OrderNumber, First: first.ID}
}

func TestCancel_whatThePayerNeverHeardOf(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	for _, state := range []payment.State{payment.Scheduled, payment.Retrying} {
		work := l.put("of "+string(state), state)
		for range 2 { // again is the same
			p := l.cancel(payment.Cancellation{Tenant: tenant, ID: work.ID})
			if p.ID != work.ID || p.Version != work.Version+1 || p.Failure != (payment.Failure{}) {
				t.Errorf("unexpected payment: %+v", p)
			}
		}
		if n := l.count("events WHERE payment_id = $1 AND type = 'payment.canceled' AND version = $2", work.ID, work.Version+1); n != 1 {
			t.Errorf("%d events, want 1", n)
		}
		l.makeNothingDue(work.ID)
	}
}

func (l *ledger) makeNothingDue(id payment.ID) {
	l.t.Helper()
	l.exec("UPDATE payments SET version = version + 1, next_at = now() WHERE next_at IS NOT NULL")
	if works := l.take(); len(works) != 0 {
		l.t.Errorf("%s is canceled, and %d are leased", id, len(works))
	}
}

func TestCancel_whatThePayerMayHaveHeardOfIsRefusedWithTheReason(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	details := map[string]bool{}
	for _, state := range []payment.State{
		payment.Paying, payment.Unknown, payment.Pending, payment.Parked, payment.Succeeded, payment.Failed,
	} {
		work := l.put("of "+string(state), state)
		for _, c := range []payment.Cancellation{{Tenant: tenant, ID: work.ID}, byOrder(work.Request)} {
			_, err := l.Cancel(t.Context(), c)
			mustCode(t, err, payment.CodeNotCancelable)
			coded, _ := errors.AsType[*payment.Error](err)
			if coded.PaymentID != work.ID {
				t.Errorf("the error names %q, want %s", coded.PaymentID, work.ID)
			}
			details[coded.Detail] = true
		}
		if p := l.read(work.ID); p.State != state || p.Version != work.Version {
			t.Errorf("a refusal changed the payment: %+v", p)
		}
	}
	if len(details) != 6 {
		t.Errorf("six states have the reasons %v", details)
	}
}

func TestCancel_isTheTenantsOwn(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	work := l.put("A-1", payment.Retrying)
	_, err := l.Cancel(t.Context(), payment.Cancellation{Tenant: "other", ID: work.ID})
	mustCode(t, err, payment.CodeNotFound)
	theirs := idKey(t, 0).Derive("other", "A-1", "")
	p, err := l.Cancel(t.Context(), payment.Cancellation{Tenant: "other", OrderNumber: "A-1", First: theirs})
	if err != nil || p.ID != theirs || p.Tenant != "other" {
		t.Errorf("got %+v, %v", p, err)
	}
	if p := l.read(work.ID); p.State != payment.Retrying {
		t.Errorf("another tenant made it %s", p.State)
	}
}

func TestCancel_waitingRequestIsADuplicateWhenItComes(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	waiting := later(t, "A-1", time.Now().Add(time.Hour))
	failed := l.put("B-1", payment.Failed)
	retry := order(t, "B-1", retrying(failed.ID))
	for _, request := range []payment.Request{waiting, retry} {
		p := l.cancel(payment.Cancellation{Tenant: tenant, ID: request.ID, Waiting: &request})
		if p.Version != 1 || p.Attempts != 0 || p.Bare() || p.Fingerprint() != request.Fingerprint() ||
			!p.NotBefore.Equal(request.NotBefore) || p.Metadata["cart"] != "918273" || p.RetryOf != request.RetryOf {
			t.Errorf("the tombstone is %+v", p)
		}
		claimed, err := l.Claim(t.Context(), []payment.Request{request}, nil, lease)
		if err != nil || claimed.Duplicates != 1 || len(claimed.Works)+claimed.Conflicts != 0 {
			t.Errorf("claimed later: %+v, %v", claimed, err)
		}
		if n := l.count("events WHERE payment_id = $1 AND type = 'payment.canceled' AND version = 1", p.ID); n != 1 {
			t.Errorf("%d events, want 1", n)
		}
	}
	other := order(t, "A-1", costing(5))
	claimed, err := l.Claim(t.Context(), []payment.Request{other}, nil, lease)
	if err != nil || claimed.Conflicts != 1 || len(claimed.Works) != 0 {
		t.Errorf("another body: %+v, %v", claimed, err)
	}
}

func TestCancel_ofWhatNobodyKnows(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	request := order(t, "A-1")
	_, err := l.Cancel(t.Context(), payment.Cancellation{Tenant: tenant, ID: request.ID})
	mustCode(t, err, payment.CodeNotFound)
	if n := l.count("payments"); n != 0 {
		t.Errorf("%d rows are left", n)
	}
	p := l.cancel(byOrder(request))
	if !p.Bare() || p.ID != request.ID || p.OrderNumber != "A-1" || p.Version != 1 {
		t.Errorf("the tombstone is %+v", p)
	}
	waiting := order(t, "A-2")
	whole := byOrder(waiting)
	whole.Waiting = &waiting
	if p := l.cancel(whole); p.Bare() || p.Fingerprint() != waiting.Fingerprint() {
		t.Errorf("the tombstone is %+v", p)
	}
}

func TestCancel_ofAnOrderIsAboutThePaymentThatMayBeCharged(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	const f, c, r = payment.Failed, payment.Canceled, payment.Retrying
	for name, test := range map[string]struct {
		states  []payment.State
		refused bool // and another try that was refused
		want    int
		code    payment.Code
	}{
		"the only one":            {[]payment.State{r}, false, 0, ""},
		"the last of a chain":     {[]payment.State{f, c, r}, false, 2, ""},
		"canceled already":        {[]payment.State{f, c}, false, 1, ""},
		"one that was not last":   {[]payment.State{f, r}, true, 1, ""},
		"one that is being paid":  {[]payment.State{f, payment.Unknown}, true, 1, payment.CodeNotCancelable},
		"all of them have failed": {[]payment.State{f, f}, false, 1, payment.CodeNotCancelable},
	} {
		chain := l.chain(name, test.states...)
		if test.refused {
			l.refusedClaim(order(t, name, retrying(chain[len(chain)-1].ID)))
		}
		for range 2 {
			p, err := l.Cancel(t.Context(), byOrder(chain[0].Request))
			if test.code == "" {
				if err != nil || p.State != c || p.ID != chain[test.want].ID {
					t.Errorf("%s: got %+v, %v", name, p, err)
				}
				continue
			}
			mustCode(t, err, test.code)
			if coded, _ := errors.AsType[*payment.Error](err); coded.PaymentID != chain[test.want].ID {
				t.Errorf("%s: the error is about %s", name, coded.PaymentID)
			}
		}
	}
}

// A retry that came before its order's first payment is no reason to let that be paid.
func TestCancel_ofAnOrderWhoseFirstHasNotCome(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	first := order(t, "A-1")
	l.refusedClaim(order(t, "A-1", retrying(first.ID)))
	if p := l.cancel(byOrder(first)); p.ID != first.ID || !p.Bare() {
		t.Errorf("canceled %+v", p)
	}
}

func TestCancel_refusesCallsWithoutSense(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	request, other := order(t, "A-1"), order(t, "A-2")
	foreign := request
	foreign.Tenant = "other"
	for name, c := range map[string]payment.Cancellation{
		"nothing":          {Tenant: tenant},
		"both":             {Tenant: tenant, ID: request.ID, OrderNumber: "A-1", First: request.ID},
		"no first":         {Tenant: tenant, OrderNumber: "A-1"},
		"another waits":    {Tenant: tenant, ID: request.ID, Waiting: &other},
		"another's waits":  {Tenant: tenant, ID: request.ID, Waiting: &foreign},
		"another order's":  {Tenant: tenant, OrderNumber: "A-1", First: request.ID, Waiting: &other},
		"NUL in the order": {Tenant: tenant, OrderNumber: "A\x00", First: request.ID},
	} {
		_, err := l.Cancel(t.Context(), c)
		if code, _ := payment.CodeOf(err); code != payment.CodeInvalid {
			t.Errorf("%s: %v", name, err)
		}
	}
	claimed := l.claim(request)[0]
	same := order(t, "A-1")
	same.ID = idKey(t, 1).Derive(tenant, "A-1", "") // the id key has changed
	_, err := l.Cancel(t.Context(), payment.Cancellation{Tenant: tenant, ID: same.ID, Waiting: &same})
	mustCode(t, err, payment.CodeInvalid)
	if p := l.read(claimed.ID); p.State != payment.Paying {
		t.Errorf("unexpected payment: %+v", p)
	}
}

// Exactly one of "canceled" and "paid" comes of an order.
func TestCancel_againstClaimsOfTheSameOrder(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	const rounds, each = 15, 4
	var cancels, claims int
	for _, request := range orders(t, rounds) {
		var canceled, works atomic.Int64
		together(2*each, func(i int) {
			switch c := byOrder(request); {
			case i < each:
				claimed, err := l.Claim(context.Background(), []payment.Request{request}, nil, lease)
				if err != nil {
					t.Error(err)
				}
				works.Add(int64(len(claimed.Works)))
				return
			case i%2 == 0:
				c.Waiting = &request
				fallthrough
			default:
				_, err := l.Cancel(context.Background(), c)
				if code, _ := payment.CodeOf(err); err != nil && code != payment.CodeNotCancelable {
					t.Error(err)
				}
				if err == nil {
					canceled.Add(1)
				}
			}
		})
		p := l.read(request.ID)
		switch {
		case works.Load() == 1 && canceled.Load() == 0 && p.State == payment.Paying:
			claims++
		case works.Load() == 0 && canceled.Load() == each && p.State == payment.Canceled && !p.Bare():
			cancels++
		default:
			t.Errorf("%d works, %d canceled, and the payment is %s, bare: %t", works.Load(), canceled.Load(), p.State, p.Bare())
		}
		if n := l.count("events WHERE payment_id = $1", request.ID); n != 1 {
			t.Errorf("%d events of one decision", n)
		}
	}
	t.Logf("%d were canceled, %d claimed", cancels, claims)
}

func TestCancel_againstLeases(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	const rounds = 15
	for _, request := range orders(t, rounds) {
		work := l.put(request.OrderNumber, payment.Retrying)
		l.makeDue(work.ID)
		var works []payment.Work
		var leaseErr, cancelErr error
		together(2, func(i int) {
			if i == 0 {
				works, leaseErr = l.Lease(context.Background(), 1, lease)
			} else {
				_, cancelErr = l.Cancel(context.Background(), payment.Cancellation{Tenant: tenant, ID: work.ID})
			}
		})
		if leaseErr != nil {
			t.Fatal(leaseErr)
		}
		p := l.read(work.ID)
		leased := len(works) == 1 && p.State == payment.Paying && cancelErr != nil
		canceled := len(works) == 0 && p.State == payment.Canceled && cancelErr == nil
		if !leased && !canceled {
			t.Errorf("%d leased, %v, and the payment is %s", len(works), cancelErr, p.State)
		}
		if cancelErr != nil {
			mustCode(t, cancelErr, payment.CodeNotCancelable)
		}
	}
}

// The claim that a cancellation waited for is not in the snapshot of its insertion.
func TestCancel_seesTheClaimThatItWaitedFor(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	l.claim(order(t, "A-0"))
	tx, err := l.raw.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback(context.Background()) }() // nothing is left of it after Commit
	request := order(t, "A-1")
	if _, err := tx.Exec(t.Context(), `
		INSERT INTO payments SELECT (jsonb_populate_record(p, jsonb_build_object('id', $1::text, 'order_number', 'A-1'))).*
		  FROM payments p`, request.ID); err != nil {
		t.Fatal(err)
	}
	wait := background(func() (payment.Payment, error) { return l.Cancel(context.Background(), byOrder(request)) })
	l.waitForLocks(1)
	if err := tx.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	_, err = wait(t.Context())
	mustCode(t, err, payment.CodeNotCancelable)
	if states := l.states(); !slices.Equal(states, []string{"paying", "paying"}) {
		t.Errorf("the payments are %v", states)
	}
}

// states gives the states of all payments.
func (l *ledger) states() []string {
	l.t.Helper()
	return query[[]string](l, "SELECT array_agg(state ORDER BY id) FROM payments")
}
