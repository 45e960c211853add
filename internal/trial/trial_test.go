//go:build trial

package trial

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/paybuf/paybuf/payment"
	"github.com/paybuf/paybuf/processor/payer/simulator"
)

// timeMax bounds one submission, however hostile the payer.
const timeMax = 10 * time.Minute

// answers is what `paybuf submit --json` prints, as far as a trial needs it.
type answers struct {
	Requests, Accepted, Duplicates, Conflicts, Refused, Lost, Retries int64
	PerSecond                                                         float64 `json:"per_second"`
	Settlement                                                        struct {
		Payments, Succeeded, Unsettled int64
		SucceededMinor                 map[string]int64 `json:"succeeded_minor"`
	}
}

// totals is what `paybuf totals --json` prints.
type totals struct {
	Payments  map[string]int64
	Succeeded map[string]int64 `json:"succeeded_minor"`
	Conflicts int64
	Dead      int64 `json:"dead_letters"`
	Attempts  int64 `json:"charge_attempts"`
}

func (in *installation) submit(t *testing.T, file string, m mapping, repeat int) answers {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), timeMax)
	defer cancel()
	var got answers
	output(ctx, t, &got, "submit", file, "--json", "--quiet", "--wait", "--wait-timeout", timeMax.String(),
		"--url", "http://"+in.address, "--concurrency", "32", "--repeat", strconv.Itoa(repeat),
		"--order-column", m.template, "--amount-column", "payment_value", "--amount-unit", "major",
		"--currency", currency, "--payment-method-column", "payment_type")
	return got
}

func equal[T comparable](t *testing.T, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("%s: %v, want %v", what, got, want)
	}
}

// judge compares what the payer charged, and what Postgres and the client's own
// questions say, with what the file must lead to.
func (in *installation) judge(t *testing.T, want expectation, got answers) {
	t.Helper()
	orders := int64(len(want.orders))
	equal(t, "lost requests", got.Lost, 0)
	equal(t, "payments that the client waited for", got.Settlement.Payments, orders)
	equal(t, "of these succeeded", got.Settlement.Succeeded, orders)
	equal(t, "their sum", got.Settlement.SucceededMinor[currency], want.sumMinor)

	charged := in.charges(t, want)
	equal(t, "orders charged by the payer", charged.orders, orders)
	equal(t, "orders charged twice", charged.twice, 0)
	equal(t, "orders charged with another amount", charged.wrong, 0)
	equal(t, "charges of unknown orders", charged.foreign, 0)
	equal(t, "sum charged by the payer", charged.sumMinor, want.sumMinor)

	var kept totals
	output(t.Context(), t, &kept, "totals", "--json", "--data", in.data)
	equal(t, "payments in Postgres", kept.Payments["succeeded"], orders)
	equal(t, "states in Postgres", len(kept.Payments), 1)
	equal(t, "sum in Postgres", kept.Succeeded[currency], want.sumMinor)
	equal(t, "conflicting bodies in Postgres", kept.Conflicts, want.bodies)
	equal(t, "dead letters", kept.Dead, 0)
	t.Logf("payer: %d charges of %d orders, %d twice, %d wrong, sum %d centavos",
		charged.charges, charged.orders, charged.twice, charged.wrong, charged.sumMinor)
	t.Logf("postgres: %d succeeded, sum %d centavos, %d conflicting bodies, %d charge attempts",
		kept.Payments["succeeded"], kept.Succeeded[currency], kept.Conflicts, kept.Attempts)
}

// booked is what the payer's ledger holds.
type booked struct {
	charges, orders, twice, wrong, foreign, sumMinor int64
}

// charges reads the payer's ledger, charge by charge.
func (in *installation) charges(t *testing.T, want expectation) booked {
	t.Helper()
	key, err := payment.NewIDKey(in.idKey(t))
	if err != nil {
		t.Fatal(err)
	}
	due := map[string]int64{}
	for order, minor := range want.orders {
		due[string(key.Derive("dev", order, ""))] = minor
	}
	var sum booked
	times := map[string]int{}
	for charge, err := range simulator.Charges(in.ledger) {
		if err != nil {
			t.Fatalf("the payer's ledger: %v", err)
		}
		sum.charges++
		sum.sumMinor += charge.Money.Minor()
		times[charge.Reference]++
		minor, known := due[charge.Reference]
		switch {
		case !known:
			sum.foreign++
		case charge.Money.Minor() != minor || charge.Money.Currency() != currency:
			sum.wrong++
		}
		switch times[charge.Reference] {
		case 1:
			sum.orders++
		case 2:
			sum.twice++
		}
	}
	return sum
}

func logAnswers(t *testing.T, got answers, want expectation) {
	t.Helper()
	t.Logf("answers: %d requests, %d payments, %d same again, %d another body, %d refused, %d lost (%.0f/s, %d sent again)",
		got.Requests, got.Accepted, got.Duplicates, got.Conflicts, got.Refused, got.Lost, got.PerSecond, got.Retries)
	t.Logf("file: %d rows, %d payments, %d same again, %d another body (%d different ones), %d refused, sum %d centavos",
		want.rows, len(want.orders), want.sameAgain, want.anotherBody, want.bodies, want.refused, want.sumMinor)
}

func TestFile_becomesExactlyThePaymentsItHolds(t *testing.T) {
	file := dataFile(t)
	for _, m := range []mapping{perPart, perOrder} {
		for _, repeat := range []int64{1, 3} {
			t.Run(fmt.Sprintf("%s, %d x", m.name, repeat), func(t *testing.T) {
				want := expect(t, file, m)
				in := install(t, nil, []string{"--payer-visibility-delay", "0s"})
				got := in.submit(t, file, m, int(repeat))
				logAnswers(t, got, want)
				orders := int64(len(want.orders))
				equal(t, "requests", got.Requests, repeat*want.rows)
				equal(t, "payments", got.Accepted, orders)
				equal(t, "same again", got.Duplicates, repeat*want.sameAgain+(repeat-1)*orders)
				equal(t, "another body", got.Conflicts, repeat*want.anotherBody)
				equal(t, "refused", got.Refused, repeat*want.refused)
				in.judge(t, want, got)
			})
		}
	}
}

// hostile is a payer as it should not be.
var hostile = []string{
	"--reset-after", "0.05", "--unavailable", "0.05", "--hang", "0.02", "--error-after", "0.01",
}

func TestFile_hostilePayerAndKillsChargeEachOrderOnce(t *testing.T) {
	file := dataFile(t)
	for _, payer := range []struct {
		name  string
		flags []string
	}{
		{"payer with idempotency keys", nil},
		// Here nothing but our own look-up before any re-send stands against a
		// second charge, and a look-up may miss a charge for a while.
		{"payer that ignores idempotency keys", []string{"--ignore-keys", "--latency", "5ms", "--late", "0.1", "--late-for", "1s"}},
	} {
		t.Run(payer.name, func(t *testing.T) {
			t.Parallel() // it waits for time-outs and leases most of the time
			want := expect(t, file, perPart)
			in := install(t, slices.Concat(payer.flags, hostile), []string{
				"--pay-timeout", "2s", "--lease", "6s", "--payer-visibility-delay", "2s", "--retry-max", "5s",
				"--log-level", "error",
			})
			var got answers
			var sending sync.WaitGroup
			sending.Go(func() { got = in.submit(t, file, perPart, 1) })
			orders := int64(len(want.orders))
			in.awaitCharges(t, want, orders/3)
			in.dev.kill()
			t.Log("kill -9 of dev")
			in.startDev(t)
			in.awaitCharges(t, want, orders/2)
			in.dev.kill()
			in.killPostgres(t)
			t.Log("kill -9 of dev and of its Postgres")
			in.startDev(t)
			sending.Wait()
			logAnswers(t, got, want)
			equal(t, "refused", got.Refused, want.refused)
			equal(t, "another body", got.Conflicts, 0)
			in.judge(t, want, got)
		})
	}
}

func (in *installation) awaitCharges(t *testing.T, want expectation, atLeast int64) {
	t.Helper()
	deadline := time.Now().Add(timeMax)
	for {
		sum, err := simulator.ReadLedger(in.ledger)
		if err == nil && sum.Charges >= atLeast {
			t.Logf("%d of %d orders charged", sum.References, len(want.orders))
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("the payer charged %d orders, want %d: %v", sum.References, atLeast, err)
		}
		<-time.After(50 * time.Millisecond)
	}
}
