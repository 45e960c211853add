package processor

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/paybuf/paybuf/payment"
)

// jealousPayer notices two calls about one payment at the same time.
type jealousPayer struct {
	*scriptedPayer
	mu      sync.Mutex
	running map[payment.ID]int
	overlap int
	lookups time.Duration // how long each takes
}

func (p *jealousPayer) during(id payment.ID, call func() payment.Answer) payment.Answer {
	p.mu.Lock()
	if p.running[id]++; p.running[id] > 1 {
		p.overlap++
	}
	p.mu.Unlock()
	defer func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.running[id]--
	}()
	return call()
}

func (p *jealousPayer) Charge(ctx context.Context, request payment.Request) payment.Answer {
	return p.during(request.ID, func() payment.Answer { return p.scriptedPayer.Charge(ctx, request) })
}

func (p *jealousPayer) Lookup(ctx context.Context, id payment.ID, money payment.Money) payment.Answer {
	return p.during(id, func() payment.Answer {
		pause(ctx, p.lookups)
		return p.scriptedPayer.Lookup(ctx, id, money)
	})
}

// Calls that take nearly all their time end shortly before their leases do; the
// ledger fails for a while, so that outcomes are not written and leases run out;
// and each order is delivered to both processors.
func TestRun_twoProcessorsNeverCallForOnePaymentAtOnce(t *testing.T) {
	for name, takes := range map[string]time.Duration{
		"quick calls": 20 * time.Millisecond, "calls as long as may be": 10*time.Second - time.Millisecond,
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const orders = 60
				ledger := newMemoryLedger()
				payer := &jealousPayer{scriptedPayer: newScriptedPayer(), running: map[payment.ID]int{}, lookups: 4 * time.Second}
				payer.charge = func(ctx context.Context, _ payment.Request, send int) payment.Answer {
					pause(ctx, takes)
					if send%3 == 1 {
						return payment.Answer{Verdict: payment.VerdictNotCharged}
					}
					return payment.Answer{Verdict: payment.VerdictCharged}
				}
				ctx, stop := context.WithCancel(t.Context())
				var wg sync.WaitGroup
				for range 2 {
					source := &queueSource{}
					source.add(deliveries(t, orders)...)
					source.add(deliveries(t, orders)...) // again: redelivered
					p, err := New([]Source{source}, ledger, payer, Config{Concurrency: 8, Lease: 12 * time.Second, RetryMax: 5 * time.Second})
					if err != nil {
						t.Fatal(err)
					}
					wg.Go(func() { p.Run(ctx) })
				}
				for range 20 {
					after(8 * time.Second)
					ledger.setFail(errors.New("gone"))
					after(14 * time.Second)
					ledger.setFail(nil)
				}
				after(2 * time.Hour)
				stop()
				wg.Wait()
				if payer.overlap > 0 {
					t.Errorf("%d times two calls were under way for one payment", payer.overlap)
				}
				if _, charges, doubles := payer.totals(); charges != orders || doubles != 0 {
					t.Errorf("%d charges, %d doubles; want %d and 0", charges, doubles, orders)
				}
				if got := ledger.count(payment.Succeeded); got != orders {
					t.Errorf("%d succeeded, want %d", got, orders)
				}
			})
		})
	}
}
