package postgres_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/paybuf/paybuf/payment"
)

func batchOf(t *testing.T, requests ...payment.Request) payment.Batch {
	t.Helper()
	at := time.Date(2026, 11, 21, 9, 0, 0, 456e6, time.UTC)
	batch, err := payment.NewBatch(idKey(t, 0), tenant, requests, at)
	if err != nil {
		t.Fatal(err)
	}
	return batch
}

func (l *ledger) keep(batches ...payment.Batch) {
	l.t.Helper()
	if err := l.KeepBatches(l.t.Context(), batches); err != nil {
		l.t.Fatal(err)
	}
}

func TestKeepBatches_keepsEachListOnceAndWhole(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	all := orders(t, payment.BatchItemsMax)
	first, second := batchOf(t, all...), batchOf(t, all[3], all[1])
	l.keep(second, first, second)
	later := first
	later.CreatedAt = first.CreatedAt.Add(time.Hour)
	l.keep(later) // redelivered
	l.keep()
	for _, want := range []payment.Batch{first, second} {
		got, err := l.Batch(t.Context(), tenant, want.ID)
		if err != nil || fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("got %+v, %v; want %+v", got, err, want)
		}
	}
	if n := l.count("batches"); n != 2 {
		t.Errorf("%d batches, want 2", n)
	}
}

func TestKeepBatches_concurrentRedeliveriesClashWithNobody(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	var batches []payment.Batch
	for _, request := range orders(t, 50) {
		batches = append(batches, batchOf(t, request))
	}
	together(8, func(i int) {
		turned := append(slices.Clone(batches[i:]), batches[:i]...)
		if err := l.KeepBatches(context.Background(), turned); err != nil {
			t.Error(err)
		}
	})
	if n := l.count("batches"); n != len(batches) {
		t.Errorf("%d batches, want %d", n, len(batches))
	}
}

func TestBatch_isItsTenantsAlone(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	batch := batchOf(t, orders(t, 2)...)
	l.keep(batch)
	_, err := l.Batch(t.Context(), "other", batch.ID)
	mustCode(t, err, payment.CodeNotFound)
	_, err = l.Batch(t.Context(), tenant, batchOf(t, order(t, "B")).ID)
	mustCode(t, err, payment.CodeNotFound)

	l.claim(orders(t, 2)...)
	foreign := batch
	foreign.Tenant = "other" // a list that was forged by somebody who may publish
	counts, err := l.CountStates(t.Context(), foreign)
	if err != nil || counts[payment.Queued] != 2 {
		t.Errorf("another tenant's payments are counted: %v, %v", counts, err)
	}
	items, err := l.BatchPayments(t.Context(), foreign, payment.BatchPage{Limit: 10})
	if err != nil || len(items) != 2 || items[0].Payment.OrderNumber != "" {
		t.Errorf("another tenant's payments are listed: %+v, %v", items, err)
	}
}

// mixed gives a batch of the states in turn, with "" for one without a row.
func mixed(l *ledger, states ...payment.State) payment.Batch {
	l.t.Helper()
	var requests []payment.Request
	for i, state := range states {
		number := fmt.Sprintf("A-%d", i)
		requests = append(requests, order(l.t, number))
		if state != payment.Queued {
			l.put(number, state)
		}
	}
	return batchOf(l.t, requests...)
}

func TestCountStates_countsAllOfThem(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	batch := mixed(l, append(payment.States(), payment.Succeeded, payment.Queued, payment.Succeeded)...)
	l.put("B-1", payment.Failed) // of no batch
	counts, err := l.CountStates(t.Context(), batch)
	if err != nil {
		t.Fatal(err)
	}
	for _, state := range payment.States() {
		want := map[payment.State]int{payment.Succeeded: 3, payment.Queued: 2}[state]
		if counts[state] != max(want, 1) {
			t.Errorf("%d are %s, want %d", counts[state], state, max(want, 1))
		}
	}
}

func TestBatchPayments_listsPagesInOrder(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	const q, s, f = payment.Queued, payment.Succeeded, payment.Failed
	batch := mixed(l, s, q, f, s, q, s)
	for _, test := range []struct {
		page payment.BatchPage
		want []int
	}{
		{payment.BatchPage{Limit: 10}, []int{0, 1, 2, 3, 4, 5}},
		{payment.BatchPage{Limit: 2}, []int{0, 1}},
		{payment.BatchPage{From: 2, Limit: 3}, []int{2, 3, 4}},
		{payment.BatchPage{From: 6, Limit: 3}, nil},
		{payment.BatchPage{From: 600, Limit: 3}, nil},
		{payment.BatchPage{State: s, Limit: 2}, []int{0, 3}},
		{payment.BatchPage{State: s, From: 1, Limit: 2}, []int{3, 5}},
		{payment.BatchPage{State: q, Limit: 10}, []int{1, 4}},
		{payment.BatchPage{State: payment.Parked, Limit: 10}, nil},
	} {
		items, err := l.BatchPayments(t.Context(), batch, test.page)
		if err != nil {
			t.Fatal(err)
		}
		var positions []int
		for _, item := range items {
			positions = append(positions, item.Position)
			if item.Payment.ID != batch.Payments[item.Position] {
				t.Errorf("%+v: position %d is %s", test.page, item.Position, item.Payment.ID)
			}
		}
		if !slices.Equal(positions, test.want) {
			t.Errorf("%+v: got %v, want %v", test.page, positions, test.want)
		}
	}
	items, err := l.BatchPayments(t.Context(), batch, payment.BatchPage{Limit: 2})
	if err != nil {
		t.Fatal(err)
	}
	if whole := l.read(batch.Payments[0]); fmt.Sprint(items[0].Payment) != fmt.Sprint(whole) {
		t.Errorf("listed as %+v, is %+v", items[0].Payment, whole)
	}
	if only := items[1].Payment; fmt.Sprint(only) != fmt.Sprint(payment.Payment{
		Request: payment.Request{ID: only.ID}, State: payment.Queued,
	}) {
		t.Errorf("without a row it is listed as %+v", only)
	}
}

func TestMissingBatches_knowsListsAndLetters(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	all := orders(t, 3)
	kept, buried, lost := batchOf(t, all[0]), batchOf(t, all[1]), batchOf(t, all[2])
	l.keep(kept)
	letter := payment.DeadLetter{BatchID: buried.ID, Subject: "paybuf.batch.0.x", Raw: []byte("?"), Reason: "garbage"}
	if err := l.Bury(t.Context(), []payment.DeadLetter{letter}); err != nil {
		t.Fatal(err)
	}
	missing, err := l.MissingBatches(t.Context(), []payment.BatchID{kept.ID, lost.ID, buried.ID})
	if err != nil || !slices.Equal(missing, []payment.BatchID{lost.ID}) {
		t.Errorf("missing %v, %v; want %s", missing, err, lost.ID)
	}
	if n := l.count("dead_letters WHERE payment_id IS NULL"); n != 1 {
		t.Errorf("%d letters of no payment, want 1", n)
	}
}

func TestTables_batchNeverChanges(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	l.keep(batchOf(t, order(t, "A-1")))
	l.refuses("23", "UPDATE batches SET payments = payments || ARRAY['x']")
	l.refuses("23", "DELETE FROM batches")
	l.refuses("23", "TRUNCATE batches")
	l.refuses("23", "INSERT INTO batches VALUES ('x', 'y', '{}', now())")
}

// Whoever waits for a batch polls it, so a look must not cost more as the table grows.
func TestBatch_isReadByIndexAlone(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	const size, rounds = 100, 8 // after five, a session settles on a plan
	all := orders(t, size)
	l.claim(all...)
	batch := batchOf(t, all[:size/2]...)
	l.keep(batch)
	l.exec("ANALYZE payments, batches")
	for range rounds {
		if _, err := l.Batch(t.Context(), tenant, batch.ID); err != nil {
			t.Fatal(err)
		}
		counts, err := l.CountStates(t.Context(), batch)
		if err != nil || counts[payment.Paying] != size/2 {
			t.Fatalf("%v, %v", counts, err)
		}
		for _, state := range []payment.State{"", payment.Paying} {
			items, err := l.BatchPayments(t.Context(), batch, payment.BatchPage{State: state, Limit: size})
			if err != nil || len(items) != size/2 {
				t.Fatalf("%d items, %v", len(items), err)
			}
		}
	}
	l.Close() // its sessions report what they did
	const statsSQL = `pg_stat_user_tables WHERE schemaname = current_schema() AND relname = 'payments'`
	eventually(t, "the sessions have reported", func() bool {
		return query[int](l, "SELECT idx_scan FROM "+statsSQL) >= rounds
	})
	if n := query[int](l, "SELECT seq_tup_read FROM "+statsSQL); n != 0 {
		t.Errorf("%d rows were read that no index led to", n)
	}
	// A page reads its own rows only; what else is read is the claim's.
	if n := query[int](l, "SELECT idx_tup_fetch FROM "+statsSQL); n > 3*rounds*size/2+size {
		t.Errorf("%d rows were fetched", n)
	}
}
