package simulator

import (
	"fmt"
	"math"
	"testing"
	"time"
)

// trialFaults has every fault at its own rate.
var trialFaults = Faults{
	Unavailable: 0.02, RateLimited: 0.03, ErrorBefore: 0.04, ErrorAfter: 0.05, ResetBefore: 0.06,
	ResetAfter: 0.07, Hang: 0.08, WrongAmount: 0.09, Garbage: 0.1,
}

func TestPlan_strikesAtTheRatesGiven(t *testing.T) {
	const sends = 100_000
	opts := Options{Seed: 42, Faults: trialFaults, Decline: 0.2, Pending: 0.1}
	opts.Faults.Late, opts.Faults.LateFor = 0.3, time.Second
	faults, statuses, late := map[fault]int{}, map[status]int{}, 0
	for i := range sends {
		p := opts.planSend(fmt.Sprintf("pay_%d", i/2), int64(i%2)+1)
		faults[p.fault]++
		statuses[p.status]++
		if p.late > 0 {
			late++
		}
	}
	near := func(name string, got int, want float64) {
		if rate := float64(got) / sends; math.Abs(rate-want) > 0.005 {
			t.Errorf("%s struck at a rate of %.4f, want %.2f", name, rate, want)
		}
	}
	for _, r := range trialFaults.rates() {
		near(r.name, faults[r.fault], r.value)
	}
	near("no fault", faults[noFault], 1-0.54)
	near("Decline", statuses[declined], 0.2)
	near("Pending", statuses[pending], 0.1)
	near("Late", late, 0.3)
}

func TestPlan_dependsOnSeedReferenceAndSendOnly(t *testing.T) {
	opts := Options{Seed: 1, Jitter: time.Second, Faults: trialFaults, Decline: 0.5}
	for n := range int64(100) {
		if first, again := opts.planSend("pay_a", n), opts.planSend("pay_a", n); first != again {
			t.Fatal("the same send has two fates")
		}
	}
	differs := func(name string, other func(n int64) plan) {
		same := 0
		for n := range int64(1000) {
			if opts.planSend("pay_a", n) == other(n) {
				same++
			}
		}
		if same > 10 {
			t.Errorf("%d of 1000 fates do not depend on the %s", same, name)
		}
	}
	reseeded := opts
	reseeded.Seed = 2
	differs("seed", func(n int64) plan { return reseeded.planSend("pay_a", n) })
	differs("reference", func(n int64) plan { return opts.planSend("pay_b", n) })
	differs("number", func(n int64) plan { return opts.planSend("pay_a", n+1) })
}

// A seed that is written down in a report must mean the same later.
func TestPlan_aSeedMeansTheSameForEver(t *testing.T) {
	got := fmt.Sprintf("%.6f %.6f", uniform(1, "pay_a", 1, drawFault), uniform(7, "", 2, drawLookup))
	if want := "0.650022 0.560052"; got != want {
		t.Errorf("draws are %s, want %s", got, want)
	}
}

func TestPlan_certainIsCertain(t *testing.T) {
	always := Options{Faults: Faults{Hang: 1}, Pending: 1, PendingDecline: 1, Lookups: LookupFaults{Error: 1}}
	never := Options{}
	for n := range int64(10_000) {
		if p := always.planSend("pay_a", n); p.fault != faultHang || p.status != pending {
			t.Fatalf("send %d is %+v", n, p)
		}
		if p := never.planSend("pay_a", n); p != (plan{status: succeeded}) {
			t.Fatalf("send %d is %+v", n, p)
		}
		if always.planLookup("pay_a", n) != faultErrorBefore || never.planLookup("pay_a", n) != noFault {
			t.Fatalf("look-up %d", n)
		}
	}
	if always.decide("pay_a") != declined || never.decide("pay_a") != succeeded {
		t.Error("decisions")
	}
}

func TestPlan_sparesLaterSends(t *testing.T) {
	opts := Options{Faults: Faults{Garbage: 1, SendsMax: 2}}
	for n, want := range map[int64]fault{1: faultGarbage, 2: faultGarbage, 3: noFault, 4: noFault} {
		if got := opts.planSend("pay_a", n).fault; got != want {
			t.Errorf("send %d has fault %d, want %d", n, got, want)
		}
	}
}

func TestPlan_jitterComesOnTopOfLatency(t *testing.T) {
	opts := Options{Latency: time.Second, Jitter: time.Second}
	low, high := time.Hour, time.Duration(0)
	for n := range int64(1000) {
		wait := opts.planSend("pay_a", n).wait
		low, high = min(low, wait), max(high, wait)
	}
	if low < time.Second || low > 1100*time.Millisecond || high >= 2*time.Second || high < 1900*time.Millisecond {
		t.Errorf("sends take %s to %s, want 1 s to 2 s", low, high)
	}
}
