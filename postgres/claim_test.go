package postgres_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/paybuf/paybuf/payment"
	"github.com/paybuf/paybuf/postgres"
)

func TestClaim_newRequestIsWork(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	request := order(t, "A-1")
	work := l.claim(request)[0]

	if work.State != payment.Paying || work.Version != 1 || work.Attempt != 1 || work.Attempts != 1 || work.Lookups != 0 {
		t.Errorf("unexpected work: %+v", work)
	}
	if work.ID != request.ID || work.Money != request.Money || work.Metadata["cart"] != "918273" {
		t.Errorf("the work is not about the request: %+v", work)
	}
	now := query[time.Time](l, "SELECT now()")
	if age := now.Sub(work.LeasedAt); age < 0 || age > waitMax {
		t.Errorf("leased %v ago by the database's clock", age)
	}
	if !work.FirstAttemptAt.Equal(work.LeasedAt) || !work.LastAttemptAt.Equal(work.LeasedAt) {
		t.Errorf("attempts at %v and %v, leased at %v", work.FirstAttemptAt, work.LastAttemptAt, work.LeasedAt)
	}
	if got := work.NextAt.Sub(work.LeasedAt); got != lease {
		t.Errorf("the lease is %v long, want %v", got, lease)
	}
	if a := l.underWay(work.ID); a.Version != 1 || a.Kind != "charge" || a.Number != 1 || !a.StartedAt.Equal(work.LeasedAt) {
		t.Errorf("the attempt on record is %+v", a)
	}
	if n := l.count(`events WHERE payment_id = $1 AND tenant_id = 'shop' AND version = 1
		AND type = 'payment.paying' AND state = 'paying' AND detail IS NULL`, work.ID); n != 1 {
		t.Errorf("%d events, want 1", n)
	}
}

func TestClaim_storesWhatWasAccepted(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	for _, request := range []payment.Request{
		order(t, "plain"),
		order(t, "Ünïcode \\ \"quoted\" {braces} 'ticks' 𝄞", func(d *payment.Draft) {
			d.Customer, d.Description = "", ""
			d.Metadata = map[string]string{`k"{},\`: "NULL", "leer": ""}
			d.AmountMinor, d.Currency = payment.AmountMinorMax, "JPY"
		}),
		order(t, "NULL", func(d *payment.Draft) { d.Metadata = nil; d.AmountMinor = 1 }),
	} {
		l.claim(request)
		got := l.read(request.ID).Request
		if got.Fingerprint() != request.Fingerprint() || got.Description != request.Description ||
			!got.AcceptedAt.Equal(request.AcceptedAt) || got.Tenant != tenant || got.ID != request.ID {
			t.Errorf("%q came back as %+v", request.OrderNumber, got)
		}
		if len(got.Metadata) != len(request.Metadata) {
			t.Errorf("metadata %v came back as %v", request.Metadata, got.Metadata)
		}
		for name, value := range request.Metadata {
			if got.Metadata[name] != value {
				t.Errorf("metadata %v came back as %v", request.Metadata, got.Metadata)
			}
		}
	}
}

func TestClaim_sameBodyIsADuplicate(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	first := l.claim(order(t, "A-1"))[0]
	again := order(t, "A-1", func(d *payment.Draft) {
		d.Description, d.Metadata = "another text", map[string]string{"trace": "77"}
	})
	claimed, err := l.Claim(t.Context(), []payment.Request{order(t, "A-0"), again, order(t, "A-2")}, nil, lease)
	if err != nil {
		t.Fatal(err)
	}
	if len(claimed.Works) != 2 || claimed.Duplicates != 1 || claimed.Conflicts != 0 {
		t.Fatalf("unexpected: %+v", claimed)
	}
	if p := l.read(first.ID); p.Version != 1 || p.Description != "two books" {
		t.Errorf("the duplicate changed the payment: %+v", p)
	}
	if n := l.count("events WHERE payment_id = $1", first.ID); n != 1 {
		t.Errorf("%d events, want 1", n)
	}
}

func TestClaim_secondBodyIsAConflict(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	first := l.claim(order(t, "A-1"))[0]
	l.settle(outcome(first, payment.Unknown, payment.VerdictUnknown))
	second := order(t, "A-1", costing(5000))
	for range 3 { // redelivered twice
		claimed, err := l.Claim(t.Context(), []payment.Request{second}, nil, lease)
		if err != nil {
			t.Fatal(err)
		}
		if len(claimed.Works) != 0 || claimed.Duplicates != 0 || claimed.Conflicts != 1 {
			t.Fatalf("unexpected: %+v", claimed)
		}
	}
	if n := l.count(`conflicts WHERE payment_id = $1 AND tenant_id = 'shop' AND order_number = 'A-1'
		AND amount_minor = 5000 AND currency = 'EUR' AND payment_method = 'tok_visa' AND customer = 'c_81'`,
		first.ID); n != 1 {
		t.Errorf("%d conflicts on record, want 1", n)
	}
	if n := l.count(`events WHERE payment_id = $1 AND type = $2 AND version = 2 AND state = 'unknown'
		AND detail->>'fingerprint' IS NOT NULL`, first.ID, payment.EventConflict); n != 1 {
		t.Errorf("%d events of the conflict, want 1", n)
	}
	if p := l.read(first.ID); p.Money.Minor() != 1999 || p.Version != 2 {
		t.Errorf("the conflict changed the payment: %+v", p)
	}
}

func TestClaim_refusedRequestGoesOnRecordBeforeItsOrder(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	refused := order(t, "A-1", costing(5000))
	fresh := order(t, "B-1")
	claimed, err := l.Claim(t.Context(), []payment.Request{fresh}, []payment.Request{refused, refused}, lease)
	if err != nil {
		t.Fatal(err)
	}
	if len(claimed.Works) != 1 || claimed.Works[0].ID != fresh.ID || claimed.Conflicts != 2 {
		t.Fatalf("unexpected: %+v", claimed)
	}
	if n := l.count("payments WHERE id = $1", refused.ID); n != 0 {
		t.Error("a refused request became a payment")
	}
	if n := l.count("conflicts WHERE payment_id = $1", refused.ID); n != 1 {
		t.Errorf("%d conflicts on record, want 1", n)
	}
	if n := l.count("events WHERE payment_id = $1 AND version = 0 AND state = 'queued'", refused.ID); n != 1 {
		t.Errorf("%d events, want 1", n)
	}
	if works := l.claim(order(t, "A-1")); works[0].ID != refused.ID {
		t.Errorf("the order itself was not claimed: %+v", works)
	}
}

func TestClaim_conflictThatCannotBeStoredLeavesNoClaims(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	poisonous := order(t, "A-1")
	poisonous.Customer = "c\x00"
	_, err := l.Claim(t.Context(), orders(t, 3), []payment.Request{poisonous}, lease)
	mustCode(t, err, payment.CodeInvalid)
	if n := l.count("payments"); n != 0 {
		t.Errorf("%d payments were claimed that nobody works on", n)
	}
}

func TestClaim_retryIsAPaymentOfItsOwn(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	first := l.put("A-1", payment.Failed).Request
	retry := order(t, "A-1", retrying(first.ID), func(d *payment.Draft) { d.PaymentMethod = "tok_other" })
	l.claim(retry)
	claimed, err := l.Claim(t.Context(), []payment.Request{first, retry}, nil, lease)
	if err != nil {
		t.Fatal(err)
	}
	if claimed.Duplicates != 2 {
		t.Errorf("unexpected: %+v", claimed)
	}
	if p := l.read(retry.ID); p.RetryOf != first.ID {
		t.Errorf("the retry is of %q, want %q", p.RetryOf, first.ID)
	}
}

func TestClaim_orderNumberCountsEvenIfItsIDHasChanged(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	first := l.claim(order(t, "A-1"))[0]
	same, other := order(t, "A-1"), order(t, "A-1", costing(5000))
	same.ID = idKey(t, 1).Derive(tenant, "A-1", "")
	other.ID = same.ID
	for request, want := range map[*payment.Request]payment.Claimed{
		&same: {Duplicates: 1}, &other: {Conflicts: 1},
	} {
		claimed, err := l.Claim(t.Context(), []payment.Request{*request}, nil, lease)
		if err != nil {
			t.Fatal(err)
		}
		if len(claimed.Works) != 0 || claimed.Duplicates != want.Duplicates || claimed.Conflicts != want.Conflicts {
			t.Errorf("got %+v, want %+v", claimed, want)
		}
	}
	if n := l.count("conflicts WHERE payment_id = $1", first.ID); n != 1 {
		t.Errorf("%d conflicts with the order's payment, want 1", n)
	}
}

func TestClaim_idOfAnotherOrderIsRefused(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	first := l.claim(order(t, "A-1"))[0]
	thief := order(t, "A-2")
	thief.ID = first.ID
	_, err := l.Claim(t.Context(), []payment.Request{thief}, nil, lease)
	mustCode(t, err, payment.CodeInvalid)
	if !strings.Contains(err.Error(), string(first.ID)) {
		t.Errorf("the error does not name the id: %v", err)
	}
}

func TestClaim_needsNoTenantRow(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	if n := l.count("tenants"); n != 0 {
		t.Fatalf("%d tenants", n)
	}
	l.claim(orders(t, 3)...)
}

func TestClaim_concurrentBatchesClaimEachOrderOnce(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	const claimers, rounds, batch, numbers = 8, 12, 40, 200
	all := orders(t, numbers)
	var mu sync.Mutex
	works := map[payment.ID]int{}
	seen := map[payment.ID]bool{}
	together(claimers, func(int) {
		for range rounds {
			var requests []payment.Request
			for _, i := range rand.Perm(numbers)[:batch] { // unsorted, overlapping
				requests = append(requests, all[i])
			}
			claimed, err := l.Claim(context.Background(), requests, nil, lease)
			if err != nil {
				t.Error(err)
				return
			}
			if len(claimed.Works)+claimed.Duplicates != batch {
				t.Errorf("%d works and %d duplicates of %d", len(claimed.Works), claimed.Duplicates, batch)
			}
			mu.Lock()
			for _, work := range claimed.Works {
				works[work.ID]++
			}
			for _, request := range requests {
				seen[request.ID] = true
			}
			mu.Unlock()
		}
	})
	for id := range seen {
		if works[id] != 1 {
			t.Errorf("%s was given to %d claimers", id, works[id])
		}
	}
	if n := l.count("payments"); n != len(seen) {
		t.Errorf("%d payments of %d orders", n, len(seen))
	}
	if n := query[int](l, "SELECT sum(attempts) FROM payments"); n != len(seen) {
		t.Errorf("%d attempts of %d orders", n, len(seen))
	}
}

func TestClaim_ofManyBodiesOneWins(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	const claimers, numbers = 8, 25
	var mu sync.Mutex
	works := map[payment.ID]payment.Work{}
	conflicts := 0
	batches := make([][]payment.Request, claimers)
	for i := range batches {
		for _, n := range rand.Perm(numbers) {
			batches[i] = append(batches[i], order(t, fmt.Sprintf("A-%d", n), costing(int64(100+i))))
		}
	}
	together(claimers, func(i int) {
		claimed, err := l.Claim(context.Background(), batches[i], nil, lease)
		if err != nil {
			t.Error(err)
			return
		}
		mu.Lock()
		defer mu.Unlock()
		for _, work := range claimed.Works {
			if winner, twice := works[work.ID]; twice {
				t.Errorf("%s is to be paid as %v and as %v", work.ID, winner.Money, work.Money)
			}
			works[work.ID] = work
		}
		conflicts += claimed.Conflicts
	})
	if len(works) != numbers || conflicts != numbers*(claimers-1) {
		t.Errorf("%d works and %d conflicts", len(works), conflicts)
	}
	for id, work := range works {
		if p := l.read(id); p.Money != work.Money {
			t.Errorf("%s is %v, and its work is %v", id, p.Money, work.Money)
		}
	}
	if n := l.count("conflicts c JOIN payments p ON p.id = c.payment_id AND p.fingerprint <> c.fingerprint"); n != conflicts {
		t.Errorf("%d conflicts on record, want %d", n, conflicts)
	}
	if n := l.count("events WHERE type = 'payment.conflict'"); n != conflicts {
		t.Errorf("%d events of conflicts, want %d", n, conflicts)
	}
}

// The rows that the insertion waited for are not in its snapshot.
func TestClaim_seesWhatWasCommittedWhileItWaited(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	l.claim(order(t, "A-0"))
	tx, err := l.raw.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback(context.Background()) }() // nothing is left of it after Commit
	first := order(t, "A-1")
	fingerprint := first.Fingerprint()
	if _, err := tx.Exec(t.Context(), `
		INSERT INTO payments (id, tenant_id, order_number, amount_minor, currency, payment_method, customer,
			description, metadata, fingerprint, accepted_at, state, version, attempts, next_at, created_at, updated_at)
		SELECT $1, tenant_id, 'A-1', amount_minor, currency, payment_method, customer,
			description, metadata, $2, accepted_at, state, version, attempts, next_at, created_at, updated_at
		  FROM payments`, first.ID, fingerprint[:]); err != nil {
		t.Fatal(err)
	}
	wait := background(func() (payment.Claimed, error) {
		return l.Claim(context.Background(), []payment.Request{first, order(t, "A-2")}, nil, lease)
	})
	l.waitForLocks(1)
	if err := tx.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	claimed, err := wait(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(claimed.Works) != 1 || claimed.Duplicates != 1 || claimed.Conflicts != 0 {
		t.Errorf("unexpected: %+v", claimed)
	}
}

func TestClaim_poisonousRowIsAnErrorOfTheData(t *testing.T) {
	t.Parallel()
	poisons := map[string]func(*payment.Request){
		"NUL in a text":         func(r *payment.Request) { r.Description = "a\x00b" },
		"no UTF-8":              func(r *payment.Request) { r.Customer = "\xff" },
		"NUL in metadata":       func(r *payment.Request) { r.Metadata = map[string]string{"k": "a\x00b"} },
		"no UTF-8 in metadata":  func(r *payment.Request) { r.Metadata = map[string]string{"k": "\xff"} },
		"no money":              func(r *payment.Request) { r.Money = payment.Money{} },
		"too long for an index": func(r *payment.Request) { r.OrderNumber = incompressible(t, 9000) },
	}
	for name, poison := range poisons {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newLedger(t)
			batch := orders(t, 4)
			poison(&batch[2])
			_, err := l.Claim(t.Context(), batch, nil, lease)
			mustCode(t, err, payment.CodeInvalid)
			if n := l.count("payments"); n != 0 {
				t.Errorf("%d payments of the refused batch are there", n)
			}
			l.claim(slices.Delete(batch, 2, 3)...)
		})
	}
}

func TestClaim_refusesCallsWithoutSense(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	one := order(t, "A-1")
	for name, call := range map[string]func() (payment.Claimed, error){
		"the same id twice": func() (payment.Claimed, error) {
			return l.Claim(t.Context(), []payment.Request{one, order(t, "A-2"), one}, nil, lease)
		},
		"no lease": func() (payment.Claimed, error) {
			return l.Claim(t.Context(), []payment.Request{one}, nil, 0)
		},
		"too many": func() (payment.Claimed, error) {
			return l.Claim(t.Context(), make([]payment.Request, postgres.BatchMax), []payment.Request{one}, lease)
		},
	} {
		_, err := call()
		if err == nil {
			t.Errorf("%s: no error", name)
			continue
		}
		mustCode(t, err, payment.CodeInvalid)
	}
	if n := l.count("payments"); n != 0 {
		t.Errorf("%d payments", n)
	}
}

func TestClaim_ofNothingIsNothing(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	claimed, err := l.Claim(t.Context(), nil, nil, lease)
	if err != nil || len(claimed.Works)+claimed.Duplicates+claimed.Conflicts != 0 {
		t.Errorf("unexpected: %+v, %v", claimed, err)
	}
}

// incompressible is a text that Postgres cannot make fit an index page.
func incompressible(t *testing.T, n int) string {
	t.Helper()
	random := rand.New(rand.NewPCG(1, 2))
	var text strings.Builder
	for range n {
		text.WriteRune(rune('!' + random.IntN(90)))
	}
	return text.String()
}
