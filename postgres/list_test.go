package postgres_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/paybuf/paybuf/payment"
)

// listAll follows a list to its end, and calls between after each page.
func (l *ledger) listAll(f payment.ListFilter, between func()) (ids []payment.ID) {
	l.t.Helper()
	for range 100 {
		page, err := l.ListPayments(l.t.Context(), tenant, f)
		if err != nil {
			l.t.Fatal(err)
		}
		for _, p := range page.Payments {
			if p.Tenant != tenant || (f.State != "" && p.State != f.State) {
				l.t.Errorf("%s of %s is %s", p.ID, p.Tenant, p.State)
			}
			ids = append(ids, p.ID)
		}
		if page.Next == (payment.ListPlace{}) {
			return ids
		}
		f.From = page.Next
		between()
	}
	l.t.Fatal("the list has no end")
	return nil
}

func nothing() {}

// newestFirst gives the ids of works of which each batch was claimed at one moment.
func newestFirst(batches ...[]payment.Work) (ids []payment.ID) {
	for _, batch := range slices.Backward(batches) {
		var of []payment.ID
		for _, work := range batch {
			of = append(of, work.ID)
		}
		slices.Sort(of)
		slices.Reverse(of)
		ids = append(ids, of...)
	}
	return ids
}

func TestListPayments_showsEachOnceNewestFirstWhateverIsClaimedMeanwhile(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	all := orders(t, 20)
	want := newestFirst(l.claim(all[:7]...), l.claim(all[7:13]...), l.claim(all[13:]...)) // seven of one moment
	l.claim(requestOf(t, otherTenant, "A-0001"))
	for _, limit := range []int{1, 3, 19, 20, 21} {
		n := 0
		got := l.listAll(payment.ListFilter{Limit: limit}, func() {
			n++
			l.claim(requestOf(t, otherTenant, fmt.Sprintf("foreign %d-%d", limit, n)))
			l.claim(order(t, fmt.Sprintf("new %d-%d", limit, n)))
		})
		var old []payment.ID // those of a former round are newer than all of want
		for _, id := range got {
			if slices.Contains(want, id) {
				old = append(old, id)
			}
		}
		if !slices.Equal(old, want) || len(slices.Compact(slices.Sorted(slices.Values(got)))) != len(got) {
			t.Errorf("limit %d: got %v\nwant %v", limit, old, want)
		}
	}
}

func TestListPayments_filtersByStateTimeAndOrder(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	var byState [][]payment.Work
	states := slices.DeleteFunc(payment.States(), func(s payment.State) bool {
		return s == payment.Queued || s == payment.Paying || s == payment.Scheduled
	})
	for _, state := range states {
		first, second := l.put("1 "+string(state), state), l.put("2 "+string(state), state)
		byState = append(byState, []payment.Work{first}, []payment.Work{second})
		for limit := 1; limit <= 3; limit++ {
			got := l.listAll(payment.ListFilter{State: state, Limit: limit}, nothing)
			if !slices.Equal(got, []payment.ID{second.ID, first.ID}) {
				t.Errorf("%s, limit %d: got %v", state, limit, got)
			}
		}
	}
	all := newestFirst(byState...)
	middle := query[time.Time](l, "SELECT created_at FROM payments WHERE id = $1", all[5])
	if got := l.listAll(payment.ListFilter{CreatedAfter: middle, Limit: 2}, nothing); !slices.Equal(got, all[:6]) {
		t.Errorf("from then on: %v, want %v", got, all[:6])
	}
	if got := l.listAll(payment.ListFilter{CreatedBefore: middle, Limit: 2}, nothing); !slices.Equal(got, all[6:]) {
		t.Errorf("before: %v, want %v", got, all[6:])
	}
	if got := l.listAll(payment.ListFilter{State: states[0], CreatedAfter: middle, Limit: 2}, nothing); len(got) != 0 {
		t.Errorf("got %v, want none", got)
	}
	chain := l.chain("A-1", payment.Failed, payment.Failed, payment.Succeeded)
	got := l.listAll(payment.ListFilter{OrderNumber: "A-1", Limit: 2}, nothing)
	if want := []payment.ID{chain[2].ID, chain[1].ID, chain[0].ID}; !slices.Equal(got, want) {
		t.Errorf("of an order: %v, want %v", got, want)
	}
	_, err := l.ListPayments(t.Context(), tenant, payment.ListFilter{State: payment.Queued, Limit: 1})
	mustCode(t, err, payment.CodeInvalid)
}

// The list goes by the events of creation, so each payment must have one, of its time,
// however it came to be.
func TestListPayments_showsWhateverHasARow(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	settled := l.claim(order(t, "settled"))[0]
	l.settle(outcome(settled, payment.Succeeded, payment.VerdictCharged))
	scheduled, refusedOne := later(t, "scheduled", time.Now().Add(time.Hour)), order(t, "refused", retrying(settled.ID))
	if _, err := l.Claim(t.Context(), []payment.Request{scheduled, refusedOne}, nil, lease); err != nil {
		t.Fatal(err)
	}
	bare := l.cancel(byOrder(order(t, "bare")))
	waiting := order(t, "waiting")
	l.cancel(payment.Cancellation{Tenant: tenant, ID: waiting.ID, Waiting: &waiting})
	early := order(t, "early", costing(7)) // a conflict that comes before its payment
	for _, conflicts := range [][]payment.Request{{early}, {order(t, "settled", costing(8))}} {
		if _, err := l.Claim(t.Context(), nil, conflicts, lease); err != nil {
			t.Fatal(err)
		}
	}
	for _, again := range []payment.Request{order(t, "early"), order(t, "bare"), order(t, "early", costing(9))} {
		if _, err := l.Claim(t.Context(), []payment.Request{again}, nil, lease); err != nil {
			t.Fatal(err)
		}
	}
	want := []payment.ID{settled.ID, scheduled.ID, refusedOne.ID, bare.ID, waiting.ID, early.ID}
	if got := l.listAll(payment.ListFilter{Limit: 2}, nothing); !slices.Equal(slices.Sorted(slices.Values(got)), slices.Sorted(slices.Values(want))) {
		t.Errorf("listed %v, want %v", got, want)
	}
	if n := l.count(`payments p WHERE 1 <> (SELECT count(*) FROM events e WHERE e.payment_id = p.id AND e.tenant_id = p.tenant_id
		AND e.version = 1 AND e.type <> 'payment.conflict' AND e.at = p.created_at)`); n != 0 {
		t.Errorf("%d payments have not one event of their creation", n)
	}
}

const fillSQL = `
	INSERT INTO payments (id, tenant_id, order_number, amount_minor, currency, payment_method, customer, description,
		metadata, fingerprint, accepted_at, state, version, attempts, next_at, created_at, updated_at)
	SELECT 'pay_' || n, 'shop', n::text, 1, 'EUR', 'tok', '', '', '{}', sha256(n::text::bytea), now(),
	       s.state, 1, 1, CASE s.state WHEN 'retrying' THEN now() END, now() - n * interval '1 second', now()
	  FROM generate_series(1, 25000) AS n,
	  LATERAL (SELECT CASE WHEN n % 12000 = 1 THEN 'failed' WHEN n > 14000 THEN 'retrying' ELSE 'succeeded' END AS state) s;
	INSERT INTO events (payment_id, tenant_id, version, type, state, at)
	SELECT id, tenant_id, 1, 'payment.paying', 'paying', created_at FROM payments`

// A page looks at a bounded number of rows, and says where to go on although it found
// nothing. Open payments that are too many are found the same way.
func TestListPayments_aRareStateInALargeTableCostsShortPages(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	l.exec(fillSQL)
	pages := 1
	got := l.listAll(payment.ListFilter{State: payment.Failed, Limit: 10}, func() { pages++ })
	if !slices.Equal(got, []payment.ID{"pay_1", "pay_12001", "pay_24001"}) || pages != 3 {
		t.Errorf("got %v on %d pages", got, pages)
	}
	got = l.listAll(payment.ListFilter{State: payment.Retrying, Limit: 1000}, nothing)
	if len(got) != 11_000-1 || !slices.IsSorted(got) || got[0] != "pay_14001" {
		t.Errorf("%d are retrying, from %s on", len(got), got[0])
	}
}
