package payer_test

import (
	"context"
	"net/http/httptest"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/paybuf/paybuf/payment"
	"github.com/paybuf/paybuf/processor/payer/httppayer"
	"github.com/paybuf/paybuf/processor/payer/payertest"
	"github.com/paybuf/paybuf/processor/payer/simulator"
)

// Limits of a trial.
const (
	trialOrders  = 100
	trialTimeout = 300 * time.Millisecond // of a call
	trialMax     = time.Minute            // to settle one order
	between      = 50 * time.Millisecond  // look-ups
)

// bad is a payer that gets about every second send wrong, in every way.
var bad = simulator.Options{
	Seed: 20, Latency: time.Millisecond, Jitter: 10 * time.Millisecond,
	Decline: 0.1, Pending: 0.1, PendingFor: 50 * time.Millisecond, PendingDecline: 0.5,
	Faults: simulator.Faults{
		Unavailable: 0.05, RateLimited: 0.05, ErrorBefore: 0.05, ErrorAfter: 0.05, ResetBefore: 0.05,
		ResetAfter: 0.05, Hang: 0.05, WrongAmount: 0.05, Garbage: 0.05, Late: 0.2, LateFor: 200 * time.Millisecond,
		SendsMax: 3, // so that an end is in sight
	},
	Lookups: simulator.LookupFaults{Unavailable: 0.1, Error: 0.1, Hang: 0.02},
}

// The words of an answer are worth something only if a caller who takes them
// literally charges each order once, whatever goes wrong in between.
func TestTrial_whoTrustsTheVerdictsChargesOnce(t *testing.T) {
	noKeys, noLookup, charging, onlyVoid := bad, bad, bad, bad
	noKeys.IgnoreKeys = true
	noLookup.NoLookup, noLookup.Pending = true, 0 // nothing tells how a pending one ends
	charging.Faults.HangCharges = true
	onlyVoid.IgnoreKeys, onlyVoid.NoLookup, onlyVoid.Pending = true, true, 0
	onlyVoid.CanVoid, onlyVoid.Voids = true, simulator.VoidFaults{Settled: 0.2, Lost: 0.3}
	for name, opts := range map[string]simulator.Options{
		"keysAndLookup": bad, "noKeys": noKeys, "noLookup": noLookup, "hangsCharge": charging, "onlyVoid": onlyVoid,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			trial(t, opts)
		})
	}
}

func trial(t *testing.T, opts simulator.Options) {
	t.Helper()
	opts.Ledger = filepath.Join(t.TempDir(), "ledger.ndjson")
	engine, err := simulator.Open(opts)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(engine.Handler())
	t.Cleanup(server.Close)
	traits := engine.Traits()
	payer, err := httppayer.New(server.URL, httppayer.Config{
		Timeout: trialTimeout, LookupTimeout: trialTimeout, Connections: 2 * trialOrders, Traits: &traits,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(payer.Close)

	wants := settleAll(t, payer)
	if err := engine.Close(); err != nil {
		t.Fatal(err)
	}
	compare(t, opts.Ledger, wants)
}

// settleAll gives what is to be found in the ledger, by reference.
func settleAll(t *testing.T, payer payertest.Payer) map[string]payment.Money {
	t.Helper()
	var mu sync.Mutex
	wants := make(map[string]payment.Money)
	var all sync.WaitGroup
	for range trialOrders {
		request := payertest.NewRequest(t)
		all.Go(func() {
			switch verdict := settle(t.Context(), payer, request); verdict {
			case payment.VerdictCharged:
				mu.Lock()
				defer mu.Unlock()
				wants[string(request.ID)] = request.Money
			case payment.VerdictDeclined:
			case payment.VerdictUnknown, payment.VerdictNotCharged, payment.VerdictPending, payment.VerdictNotFound:
				t.Errorf("%s ended as %s", request.ID, verdict)
			}
		})
	}
	all.Wait()
	return wants
}

// settle does what a processor may do: send again only what is known not to be
// charged, or what has a key.
func settle(ctx context.Context, payer payertest.Payer, request payment.Request) payment.Verdict {
	traits := payer.Traits()
	began, called := time.Now(), time.Now()
	answer := payer.Charge(ctx, request)
	for time.Since(began) < trialMax {
		switch answer.Verdict {
		case payment.VerdictCharged, payment.VerdictDeclined:
			return answer.Verdict
		case payment.VerdictUnknown, payment.VerdictPending, payment.VerdictNotFound, payment.VerdictNotCharged:
		}
		settled := answer.Verdict == payment.VerdictNotCharged ||
			answer.Verdict == payment.VerdictNotFound && time.Since(called) > traits.VisibilityDelay
		if !settled && !traits.CanLookup && traits.KeyWindow == 0 {
			answer = takeBack(ctx, payer, request, called)
			continue
		}
		if settled || !traits.CanLookup {
			called = time.Now()
			answer = payer.Charge(ctx, request)
			continue
		}
		tick := time.NewTimer(between)
		<-tick.C
		answer = payer.Lookup(ctx, request.ID, request.Money)
	}
	return answer.Verdict
}

// takeBack voids once a charge can no longer be on its way, and waits until a void
// that was lost can no longer be.
func takeBack(ctx context.Context, payer payertest.Payer, request payment.Request, called time.Time) payment.Answer {
	voider, isVoider := payer.(payertest.Voider)
	if !isVoider {
		return payment.Answer{}
	}
	delay := payer.Traits().VisibilityDelay
	landed := time.NewTimer(time.Until(called.Add(delay)))
	<-landed.C
	answer := voider.Void(ctx, request.ID, request.Money)
	if answer.Verdict == payment.VerdictNotCharged {
		landed.Reset(delay)
		<-landed.C
	}
	return answer
}

func compare(t *testing.T, ledger string, wants map[string]payment.Money) {
	t.Helper()
	for charge, err := range simulator.Charges(ledger) {
		if err != nil {
			t.Fatal(err)
		}
		want, wanted := wants[charge.Reference]
		if !wanted {
			t.Errorf("%s was charged twice, or was said to be declined", charge.Reference)
		} else if want != charge.Money {
			t.Errorf("%s was charged %s, want %s", charge.Reference, charge.Money, want)
		}
		delete(wants, charge.Reference)
	}
	for reference := range wants {
		t.Errorf("%s was said to be charged and is not in the ledger", reference)
	}
	summary, err := simulator.ReadLedger(ledger)
	if err != nil || summary.Doubled != 0 || summary.Charges < trialOrders/2 {
		t.Errorf("the ledger holds %+v (%v)", summary, err)
	}
}

// BenchmarkCharge is a whole charge, from request to fsynced ledger and back,
// client and server on one machine.
func BenchmarkCharge(b *testing.B) {
	engine, err := simulator.Open(simulator.Options{Ledger: filepath.Join(b.TempDir(), "ledger.ndjson")})
	if err != nil {
		b.Fatal(err)
	}
	defer engine.Close()
	server := httptest.NewServer(engine.Handler())
	defer server.Close()
	remote, err := httppayer.New(server.URL, httppayer.Config{Connections: 64})
	if err != nil {
		b.Fatal(err)
	}
	defer remote.Close()
	b.Run("http", func(b *testing.B) { chargeAll(b, remote) })
	b.Run("inProcess", func(b *testing.B) { chargeAll(b, engine) })
}

// chargeAll makes b.N charges of different orders, 64 at once.
func chargeAll(b *testing.B, payer payertest.Payer) {
	b.Helper()
	const concurrency = 64
	requests := make(chan payment.Request, concurrency)
	b.ReportAllocs()
	b.ResetTimer()
	var workers sync.WaitGroup
	for range concurrency {
		workers.Go(func() {
			for request := range requests {
				if answer := payer.Charge(b.Context(), request); answer.Verdict != payment.VerdictCharged {
					b.Errorf("answer is %s", answer.Verdict)
				}
			}
		})
	}
	for range b.N {
		requests <- payertest.NewRequest(b)
	}
	close(requests)
	workers.Wait()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "charges/s")
}
