package postgres_test

import (
	"context"
	"strings"
	"sync"
	"testing"

	"github.com/paybuf/paybuf/payment"
)

// refusedClaim claims a request that is refused.
func (l *ledger) refusedClaim(request payment.Request) payment.Payment {
	l.t.Helper()
	claimed, err := l.Claim(l.t.Context(), []payment.Request{request}, nil, lease)
	if err != nil {
		l.t.Fatal(err)
	}
	if claimed.Refused != 1 || len(claimed.Works)+claimed.Scheduled+claimed.Duplicates+claimed.Conflicts != 0 {
		l.t.Fatalf("unexpected: %+v", claimed)
	}
	return l.read(request.ID)
}

func TestClaim_retryIsPaidOnlyIfNothingBeforeItCanBeCharged(t *testing.T) {
	t.Parallel()
	const f, c, s = payment.Failed, payment.Canceled, payment.Succeeded
	for name, test := range map[string]struct {
		before []payment.State
		paid   bool
	}{
		"after a decline":         {[]payment.State{f}, true},
		"after a cancellation":    {[]payment.State{c}, true},
		"after many of them":      {[]payment.State{f, c, f, f}, true},
		"after a charge":          {[]payment.State{s}, false},
		"after a charge at last":  {[]payment.State{f, f, s}, false},
		"while one is paid":       {[]payment.State{payment.Paying}, false},
		"while one is retried":    {[]payment.State{payment.Retrying}, false},
		"while one is unknown":    {[]payment.State{f, payment.Unknown}, false},
		"while one is pending":    {[]payment.State{payment.Pending}, false},
		"while one is parked":     {[]payment.State{payment.Parked}, false},
		"while one has its time":  {[]payment.State{payment.Scheduled}, false},
		"before the first is due": {nil, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newLedger(t)
			last := order(t, "A-1").ID
			if chain := l.chain("A-1", test.before...); len(chain) > 0 {
				last = chain[len(chain)-1].ID
			}
			retry := order(t, "A-1", retrying(last), costing(500))
			if test.paid {
				l.claim(retry)
				return
			}
			p := l.refusedClaim(retry)
			if p.State != payment.Failed || p.Failure.Code != payment.FailurePredecessor || p.Attempts != 0 || p.Version != 1 {
				t.Errorf("unexpected payment: %+v", p)
			}
			if !strings.Contains(p.Failure.Message, "retry_of") {
				t.Errorf("the tenant is not told what to do: %q", p.Failure.Message)
			}
			if n := l.count("attempts WHERE payment_id = $1", p.ID); n != 0 {
				t.Errorf("%d attempts of a payment that was never sent", n)
			}
			if n := l.count("events WHERE payment_id = $1 AND type = 'payment.failed' AND version = 1", p.ID); n != 1 {
				t.Errorf("%d events, want 1", n)
			}
			claimed, err := l.Claim(t.Context(), []payment.Request{retry}, nil, lease) // redelivered
			if err != nil || claimed.Duplicates != 1 || claimed.Refused != 0 {
				t.Errorf("the second time: %+v, %v", claimed, err)
			}
		})
	}
}

// A refused link is failed itself, and proves nothing about those before it.
func TestClaim_refusedLinkOpensNoWayAroundTheOneBeforeIt(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	first := l.put("A-1", payment.Unknown)
	second := l.refusedClaim(order(t, "A-1", retrying(first.ID)))
	third := l.refusedClaim(order(t, "A-1", retrying(second.ID)))
	first.Version = l.read(first.ID).Version
	l.settle(outcome(first, payment.Failed, payment.VerdictDeclined))
	l.claim(order(t, "A-1", retrying(third.ID)))
}

func TestClaim_chainOfAnotherOrderOrTenantIsRefused(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	failed := l.put("A-1", payment.Failed)
	l.put("B-1", payment.Failed)
	l.refusedClaim(order(t, "B-1", retrying(failed.ID)))
	l.refusedClaim(order(t, "C-1", retrying(order(t, "D-1").ID))) // of none at all

	foreign := order(t, "A-1", retrying(failed.ID))
	foreign.Tenant, foreign.ID = "other", idKey(t, 0).Derive("other", "A-1", failed.ID)
	claimed, err := l.Claim(t.Context(), []payment.Request{foreign}, nil, lease)
	if err != nil || claimed.Refused != 1 || len(claimed.Works) != 0 {
		t.Errorf("another tenant's chain: %+v, %v", claimed, err)
	}
	if p := l.read(failed.ID); p.RetriedBy != "" {
		t.Errorf("%s of another tenant or order is its next", p.RetriedBy)
	}
	l.claim(order(t, "A-1", retrying(failed.ID)))
}

func TestClaim_chainThatIsNotRootedIsRefused(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	chain := l.chain("A-1", payment.Failed, payment.Failed)
	l.exec("ALTER TABLE payments DISABLE TRIGGER USER")
	l.exec("UPDATE payments SET retry_of = 'pay_gone' WHERE retry_of IS NULL") // by a hand at psql
	l.refusedClaim(order(t, "A-1", retrying(chain[1].ID)))
}

func TestClaim_paymentAndItsRetryInOneBatch(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	first := order(t, "A-1")
	retry := order(t, "A-1", retrying(first.ID))
	claimed, err := l.Claim(t.Context(), []payment.Request{retry, first}, nil, lease)
	if err != nil || len(claimed.Works) != 1 || claimed.Works[0].ID != first.ID || claimed.Refused != 1 {
		t.Errorf("unexpected: %+v, %v", claimed, err)
	}
}

func TestClaim_ofTwoRetriesAtOnceOneIsPaid(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	const claimers = 8
	failed := l.put("A-1", payment.Failed)
	var mu sync.Mutex
	var total payment.Claimed
	together(claimers, func(i int) {
		retry := order(t, "A-1", retrying(failed.ID), costing(int64(100+i/2)))
		claimed, err := l.Claim(context.Background(), []payment.Request{retry}, nil, lease)
		if err != nil {
			t.Error(err)
		}
		mu.Lock()
		defer mu.Unlock()
		total.Works = append(total.Works, claimed.Works...)
		total.Duplicates += claimed.Duplicates
		total.Conflicts += claimed.Conflicts
	})
	if len(total.Works) != 1 || total.Duplicates != 1 || total.Conflicts != claimers-2 {
		t.Errorf("%d works, %d duplicates, %d conflicts", len(total.Works), total.Duplicates, total.Conflicts)
	}
}

// The predecessor's outcome and the successor's claim meet: whatever the claim saw,
// an order that was charged has no second payment under way.
func TestClaim_retryWhileItsPredecessorIsSettled(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	for _, to := range []payment.State{payment.Succeeded, payment.Failed} {
		for i := range 10 {
			number := string(to) + string(rune('a'+i))
			first := l.claim(order(t, number))[0]
			retry := order(t, number, retrying(first.ID))
			together(2, func(i int) {
				var err error
				if i == 0 {
					_, err = l.Settle(context.Background(), []payment.Outcome{outcome(first, to, payment.VerdictUnknown)})
				} else {
					_, err = l.Claim(context.Background(), []payment.Request{retry}, nil, lease)
				}
				if err != nil {
					t.Error(err)
				}
			})
			if p := l.read(retry.ID); to == payment.Succeeded && p.State != payment.Failed {
				t.Fatalf("the order was charged, and its retry is %s", p.State)
			}
		}
	}
}
