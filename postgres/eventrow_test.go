package postgres_test

import (
	"fmt"
	"reflect"
	"testing"
	"time"

	"github.com/paybuf/paybuf/payment"
)

// registered adds an endpoint that wants everything.
func (l *ledger) registered() payment.Endpoint {
	l.t.Helper()
	e, err := l.CreateEndpoint(l.t.Context(), payment.Endpoint{
		ID: payment.NewEndpointID(), Tenant: tenant, URL: "https://shop.example/", Secret: payment.Sealed{KeyID: "k", Data: []byte("x")},
	})
	if err != nil {
		l.t.Fatal(err)
	}
	return e
}

// eventsOf reads the events that an endpoint is told of, the oldest first.
func (l *ledger) eventsOf(e payment.Endpoint) []payment.Event {
	l.t.Helper()
	listed, _, err := l.Deliveries(l.t.Context(), tenant, e.ID, payment.DeliveryPage{Limit: 100})
	if err != nil {
		l.t.Fatal(err)
	}
	var events []payment.Event
	for i := range listed {
		found, _, err := l.Delivery(l.t.Context(), tenant, e.ID, listed[len(listed)-1-i].Event)
		if err != nil {
			l.t.Fatal(err)
		}
		events = append(events, found.Event)
	}
	return events
}

func TestDelivery_eventSaysTheSameWheneverItIsRead(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	e := l.registered()
	work := l.claim(order(t, "A-1"))[0]
	first := l.eventsOf(e)
	if len(first) != 1 || first[0].Type != "payment.paying" || first[0].Was != payment.Queued || first[0].Request.Money.Minor() != 1999 ||
		first[0].Request.Metadata["cart"] != "918273" || first[0].PayerReference != "" || first[0].Failure != (payment.Failure{}) {
		t.Fatalf("got %+v", first)
	}
	declined := outcome(work, payment.Failed, payment.VerdictDeclined)
	declined.Failure = payment.Failure{Code: "no_funds", Message: "not enough"}
	declined.Answer.PayerReference = "ch_1"
	l.settle(declined)
	l.claim(order(t, "A-1", retrying(work.ID)))
	later := l.eventsOf(e)
	if !reflect.DeepEqual(later[:1], first) {
		t.Errorf("the first event became %+v\nit was %+v", later[0], first[0])
	}
	if failed := later[1]; failed.Failure != declined.Failure || failed.PayerReference != "ch_1" || failed.Was != payment.Paying || failed.Version != 2 {
		t.Errorf("the second is %+v", failed)
	}
	if retry := later[2]; retry.Request.RetryOf != work.ID || retry.PayerReference != "" || retry.Failure != (payment.Failure{}) {
		t.Errorf("the third is %+v", retry)
	}
}

func TestDelivery_anOrderThatWasCanceledBeforeItCameStaysBare(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	e := l.registered()
	request := order(t, "A-1")
	l.cancel(byOrder(request))
	before := l.eventsOf(e)
	if len(before) != 1 || before[0].State != payment.Canceled || before[0].Request.OrderNumber != "A-1" ||
		before[0].Request.Money != (payment.Money{}) || !before[0].Request.AcceptedAt.IsZero() {
		t.Fatalf("got %+v", before)
	}
	if _, err := l.Claim(t.Context(), []payment.Request{request}, nil, lease); err != nil { // fills it in
		t.Fatal(err)
	}
	if p := l.read(request.ID); p.Bare() {
		t.Fatal("it is bare")
	}
	if after := l.eventsOf(e); !reflect.DeepEqual(after, before) {
		t.Errorf("it became %+v\nit was %+v", after, before)
	}
}

func TestDelivery_aConflictBeforeItsOrderStaysBare(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	e := l.registered()
	request := order(t, "A-1")
	if _, err := l.Claim(t.Context(), nil, []payment.Request{order(t, "A-1", costing(5))}, lease); err != nil {
		t.Fatal(err)
	}
	before := l.eventsOf(e)
	if len(before) != 1 || before[0].Type != payment.EventConflict || before[0].Version != 0 || before[0].Request.OrderNumber != "A-1" {
		t.Fatalf("got %+v", before)
	}
	l.claim(request)
	if after := l.eventsOf(e); !reflect.DeepEqual(after[:1], before) {
		t.Errorf("it became %+v\nit was %+v", after[0], before[0])
	}
}

func TestRecover_looksAtNoMoreThanItMustInALongFeed(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	for hour := 24; hour > 0; hour-- {
		l.exec(fmt.Sprintf(`INSERT INTO events (payment_id, tenant_id, version, type, state, at)
			SELECT 'pay_x', $1, 1, 'payment.paying', 'paying', now() - interval '%d hours' FROM generate_series(1, 300)`, hour), tenant)
	}
	e := l.registered()
	since := time.Now().Add(-90 * time.Minute)
	recovery, err := l.Recover(t.Context(), tenant, e.ID, since, payment.FeedCursor{})
	if err != nil || recovery.Queued != 300 || !recovery.Complete { // in one part, so near the time
		t.Errorf("got %+v, %v", recovery, err)
	}
	queued, parts := 0, 0
	var after payment.FeedCursor
	for recovery.Complete = false; !recovery.Complete && parts < 100; parts++ {
		recovery, err = l.Recover(t.Context(), tenant, e.ID, time.Time{}, after)
		if err != nil {
			t.Fatal(err)
		}
		queued, after = queued+recovery.Queued, recovery.Next
	}
	if queued != 23*300 || parts != 4 {
		t.Errorf("%d were queued in %d parts", queued, parts)
	}
	// What was written before there were places is all at the first one.
	l.exec("ALTER TABLE events DISABLE TRIGGER events_append_only")
	l.exec("UPDATE events SET place = 0")
	l.exec("DELETE FROM webhook_deliveries")
	recovery, err = l.Recover(t.Context(), tenant, e.ID, since, payment.FeedCursor{})
	if err != nil || recovery.Queued != 300 || !recovery.Complete {
		t.Errorf("at one place: %+v, %v", recovery, err)
	}
}

func TestRecover_ofManyAtOnceQueuesEachOnce(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	l.claim(orders(t, 200)...)
	e := l.registered()
	counts := make([]int, 6)
	together(len(counts), func(i int) {
		recovery, err := l.Recover(t.Context(), tenant, e.ID, time.Time{}, payment.FeedCursor{})
		if err != nil {
			t.Error(err)
		}
		counts[i] = recovery.Queued
	})
	total := 0
	for _, n := range counts {
		total += n
	}
	if total != 200 || l.count("webhook_deliveries WHERE state = 'waiting'") != 200 {
		t.Errorf("queued %v", counts)
	}
}
