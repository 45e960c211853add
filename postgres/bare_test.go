package postgres_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/paybuf/paybuf/payment"
)

func TestClaim_requestFillsInTheRowOfAnOrderThatWasCanceledBefore(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	request := later(t, "A-1", time.Now().Add(time.Hour))
	bare := l.cancel(byOrder(request))
	for range 2 { // redelivered
		claimed, err := l.Claim(t.Context(), []payment.Request{order(t, "A-0"), request}, nil, lease)
		if err != nil || claimed.Duplicates < 1 || claimed.Conflicts+claimed.Scheduled != 0 {
			t.Fatalf("unexpected: %+v, %v", claimed, err)
		}
	}
	p := l.read(request.ID)
	if p.State != payment.Canceled || p.Version != bare.Version+1 || p.Bare() || p.Attempts != 0 {
		t.Errorf("unexpected payment: %+v", p)
	}
	if p.Fingerprint() != request.Fingerprint() || p.Description != request.Description ||
		p.Metadata["cart"] != "918273" || !p.AcceptedAt.Equal(request.AcceptedAt) {
		t.Errorf("the request came back as %+v", p.Request)
	}
	if n := l.count("events WHERE payment_id = $1", p.ID); n != 1 {
		t.Errorf("%d events of a payment that stays canceled, want 1", n)
	}
	claimed, err := l.Claim(t.Context(), []payment.Request{order(t, "A-1", costing(5))}, nil, lease)
	if err != nil || claimed.Conflicts != 1 {
		t.Errorf("another body: %+v, %v", claimed, err)
	}
}

func TestClaim_ofManyBodiesForABareRowOneWins(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	const claimers, rounds = 8, 10
	for _, first := range orders(t, rounds) {
		l.cancel(byOrder(first))
		var duplicates, conflicts, works atomic.Int64
		together(claimers, func(i int) {
			request := order(t, first.OrderNumber, costing(int64(100+i/2))) // each body twice
			claimed, err := l.Claim(context.Background(), []payment.Request{request}, nil, lease)
			if err != nil {
				t.Error(err)
			}
			works.Add(int64(len(claimed.Works)))
			duplicates.Add(int64(claimed.Duplicates))
			conflicts.Add(int64(claimed.Conflicts))
		})
		if works.Load() != 0 || duplicates.Load() != 2 || conflicts.Load() != claimers-2 {
			t.Errorf("%d works, %d duplicates, %d conflicts", works.Load(), duplicates.Load(), conflicts.Load())
		}
		if p := l.read(first.ID); p.State != payment.Canceled || p.Version != 2 || p.Bare() {
			t.Errorf("unexpected payment: %+v", p)
		}
	}
	if n := l.count("conflicts c JOIN payments p ON p.id = c.payment_id AND p.fingerprint <> c.fingerprint"); n != rounds*3 {
		t.Errorf("%d conflicts on record, want %d", n, rounds*3)
	}
}

func TestClaim_bareRowAlsoOfAnotherIDIsFilledIn(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	bare := l.cancel(byOrder(order(t, "A-1")))
	request := order(t, "A-1")
	request.ID = idKey(t, 1).Derive(tenant, "A-1", "") // the id key has changed
	claimed, err := l.Claim(t.Context(), []payment.Request{request}, nil, lease)
	if err != nil || claimed.Duplicates != 1 {
		t.Errorf("unexpected: %+v, %v", claimed, err)
	}
	if p := l.read(bare.ID); p.Bare() {
		t.Errorf("unexpected payment: %+v", p)
	}
}

func TestReads_aBareRowIsReadWhereverItShows(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	request := order(t, "A-1")
	l.cancel(byOrder(request))
	p := l.read(request.ID)
	if !p.Bare() || p.PaymentMethod != "" || p.State != payment.Canceled || p.AcceptedAt.IsZero() {
		t.Errorf("read %+v", p)
	}
	all, err := l.PaymentsByOrder(t.Context(), tenant, "A-1")
	if err != nil || len(all) != 1 || !all[0].Bare() {
		t.Errorf("read %+v, %v", all, err)
	}
	items, err := l.BatchPayments(t.Context(), batchOf(t, request), payment.BatchPage{Limit: 1})
	if err != nil || len(items) != 1 || items[0].Payment.State != payment.Canceled {
		t.Errorf("read %+v, %v", items, err)
	}
	if missing, err := l.Missing(t.Context(), []payment.ID{request.ID}); err != nil || len(missing) != 0 {
		t.Errorf("missing are %v, %v", missing, err)
	}
	if totals, err := l.Totals(t.Context()); err != nil || totals.Payments[payment.Canceled] != 1 {
		t.Errorf("totals %+v, %v", totals, err)
	}
	l.claim(order(t, "A-1", retrying(request.ID))) // nothing before it can be charged
}
