package postgres_test

import (
	"slices"
	"testing"
	"time"

	"github.com/paybuf/paybuf/payment"
)

func TestDue_givesTheWholeEvent(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	id := l.endpoint("a")
	request := order(t, "A-1")
	work := l.claim(request)[0]
	declined := outcome(work, payment.Failed, payment.VerdictDeclined)
	declined.Code, declined.Message, declined.Answer.PayerReference = "card_declined", "no", "ch_1"
	l.serve("w", 1)
	first := l.due("w", id, 10)
	if len(first) != 1 {
		t.Fatalf("due are %+v", first)
	}
	e := first[0].Event
	if e.Type != "payment.paying" || e.State != payment.Paying || e.Was != payment.Queued || e.Version != 1 ||
		e.PaymentID != work.ID || e.Tenant != tenant || e.Place == 0 || !e.At.Equal(work.LeasedAt) ||
		e.PayerReference != "" || e.Failure != (payment.Failure{}) {
		t.Errorf("unexpected event: %+v", e)
	}
	if r := e.Request; r.Money != request.Money || r.Customer != request.Customer || r.PaymentMethod != "" || r.Metadata["cart"] != "918273" ||
		r.Description != request.Description || !r.AcceptedAt.Equal(request.AcceptedAt) || !r.NotBefore.IsZero() {
		t.Errorf("unexpected request: %+v", r)
	}
	if d := first[0]; d.Endpoint != id || d.State != payment.DeliveryWaiting || d.Attempts != 0 || d.Tries != 0 ||
		!d.NextAt.Equal(e.At) || !d.UpdatedAt.Equal(e.At) {
		t.Errorf("unexpected delivery: %+v", d)
	}
	l.settle(declined)
	l.record("w", result(id, e.Sequence, payment.DeliveryDelivered))
	second := l.due("w", id, 10)
	if len(second) != 1 {
		t.Fatalf("due are %+v", second)
	}
	if e := second[0].Event; e.State != payment.Failed || e.Was != payment.Paying || e.PayerReference != "ch_1" ||
		e.Failure != (payment.Failure{Code: "card_declined", Message: "no"}) {
		t.Errorf("unexpected event: %+v", e)
	}
	if again := l.due("w", id, 10); again[0].Event.ID() != second[0].Event.ID() {
		t.Error("the event has another name when it is read again")
	}
}

func TestDue_anEventSaysTheSameWhateverCameLater(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	id := l.endpoint("a")
	canceled := order(t, "A-1")
	l.cancel(byOrder(canceled))
	l.serve("w", 1)
	before := l.due("w", id, 10)
	if len(before) != 1 || before[0].Event.State != payment.Canceled || before[0].Event.Request.OrderNumber != "A-1" {
		t.Fatalf("due are %+v", before)
	}
	if _, err := l.Claim(t.Context(), []payment.Request{canceled}, nil, lease); err != nil { // fills the row in
		t.Fatal(err)
	}
	after := l.due("w", id, 10)
	if r := after[0].Event.Request; r.Money != (payment.Money{}) || r.Customer != "" || !r.AcceptedAt.IsZero() {
		t.Errorf("the event shows a request that came after it: %+v", r)
	}
}

func TestDue_ofATestThereIsNoPayment(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	id := l.endpoint("a")
	l.wait(id, "", 7, 3)
	l.exec("UPDATE webhook_deliveries SET type = 'webhook.test', version = 0")
	l.serve("w", 1)
	due := l.due("w", id, 10)
	if !slices.Equal(sequences(due), []int64{7, 8, 9}) { // no line
		t.Fatalf("due are %+v", due)
	}
	if e := due[0].Event; e.Type != payment.EventTest || e.PaymentID != "" || e.Tenant != tenant || e.At.IsZero() || e.State != "" {
		t.Errorf("unexpected event: %+v", e)
	}
}

func TestDue_keepsTheOrderOfAPaymentAtAnEndpoint(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	a, b := l.endpoint("a"), l.endpoint("b")
	l.wait(a, "pay_1", 1, 3)
	l.wait(a, "pay_2", 11, 2)
	l.wait(b, "pay_1", 2, 1)
	l.serve("w", 2)
	l.gives("w", b, 2)
	l.gives("w", a, 1, 11)
	if got := sequences(l.due("w", a, 10, 1)); !slices.Equal(got, []int64{11}) {
		t.Errorf("while the first is under way, %v are due", got)
	}
	l.record("w", result(a, 1, payment.DeliveryWaiting), result(a, 11, payment.DeliveryDelivered))
	l.gives("w", a, 12)
	l.exec("UPDATE webhook_deliveries SET next_at = now() - interval '1 hour' WHERE sequence = 1")
	l.record("w", result(a, 1, payment.DeliveryDead)) // given up: the next may go
	l.gives("w", a, 2, 12)
}

func TestDue_asksOnlyWhatTheWorkerHolds(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	a := l.endpoint("a")
	l.wait(a, "pay_1", 1, 1)
	l.gives("w", a)
	l.serve("v", 1)
	l.gives("w", a)
	l.gives("v", a, 1)
	l.exec("UPDATE webhook_endpoints SET resume_at = now() + interval '1 hour'")
	l.gives("v", a)
	l.exec("UPDATE webhook_endpoints SET resume_at = NULL")
	l.gives("v", a, 1)
	l.expire("v")
	l.gives("v", a)
}

func TestDue_manyEndpointsInTheOrderAskedForTheLongestDueFirst(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	a, b := l.endpoint("a"), l.endpoint("b")
	for i := range int64(5) {
		l.wait(a, payment.ID("pay_"+string(rune('a'+i))), 10-i, 1)
		l.exec("UPDATE webhook_deliveries SET next_at = now() - $1 * interval '1 minute' WHERE sequence = $2", 5-i, 10-i)
		l.wait(b, payment.ID("pay_"+string(rune('a'+i))), 20+i, 1)
	}
	l.serve("w", 2)
	due, err := l.Due(t.Context(), "w", []payment.DeliveryWant{
		{Endpoint: b, Limit: 2, Not: []int64{20, 10}}, {Endpoint: a, Limit: 3, Not: []int64{9}}, {Endpoint: "whe_none", Limit: 3}, {Endpoint: a},
	})
	if err != nil || !slices.Equal(sequences(due), []int64{21, 22, 10, 8, 7}) {
		t.Errorf("due are %v, %v", sequences(due), err)
	}
	_, err = l.Due(t.Context(), "w", []payment.DeliveryWant{{Endpoint: a, Limit: 1, Not: make([]int64, 10_001)}})
	mustCode(t, err, payment.CodeInvalid)
}

// A thousand payments whose first event waits for its next try, and whose second is due
// but stands behind it, must not hide what may be sent.
func TestDue_whatStandsInLineHidesNothing(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	a := l.endpoint("a")
	l.exec(`INSERT INTO webhook_deliveries (endpoint_id, sequence, tenant_id, payment_id, version, type, state, attempts, next_at, event_at, updated_at)
		SELECT $1, n * 2 + v, $2, 'pay_' || n, 1, 'payment.paying', 'waiting', 1 - v, now() + (1 - v * 2) * interval '1 hour', now(), now() - interval '1 minute'
		  FROM generate_series(1, 3000) n, generate_series(0, 1) v`, a, tenant)
	l.wait(a, "pay_free", 100_000, 1)
	l.serve("w", 1)
	var due []payment.WebhookDelivery
	for range 5 {
		due = append(due, l.due("w", a, 10)...)
	}
	if len(due) == 0 || due[0].Event.Sequence != 100_000 {
		t.Fatalf("due are %v", sequences(due))
	}
	l.is(a, 3, "next_at > now()") // put off with the one ahead
	late := result(a, 2, payment.DeliveryDelivered)
	l.record("zombie", late)
	l.is(a, 3, "next_at <= now()") // its turn
	if got := sequences(l.due("w", a, 10)); !slices.Contains(got, 3) {
		t.Errorf("due are %v", got)
	}
	if waiting := l.count("webhook_deliveries WHERE state = 'waiting'"); waiting != 6000 {
		t.Errorf("%d wait", waiting)
	}
}

// However many were put off, none of a payment waits for a time that was the first
// one's, after that has ended.
func TestRecord_theWholeLineComesAfterOneThatEndsEarly(t *testing.T) {
	t.Parallel()
	l, a := served(t, 3)
	l.exec("UPDATE webhook_deliveries SET payment_id = 'pay_1'")
	l.exec("UPDATE webhook_deliveries SET attempts = 1 WHERE sequence = 1")
	l.exec("UPDATE webhook_deliveries SET next_at = now() + interval '10 hours' WHERE sequence > 1") // put off
	for sequence := range int64(3) {
		l.gives("w", a, sequence+1)
		l.record("w", result(a, sequence+1, payment.DeliveryDelivered))
	}
}

// One question must end in time, however many endpoints are in that state: each that
// did not would be asked again, and nobody's deliveries would be given any more.
func TestDue_clearsTheWayAtSomeEndpointsAtOnceAndInTheEndAtAll(t *testing.T) {
	t.Parallel()
	const endpoints, crowd, atOnceMax = 20, 1000, 16
	l := newLedger(t)
	var wants []payment.DeliveryWant
	for i := range endpoints {
		wants = append(wants, payment.DeliveryWant{Endpoint: l.endpoint(string(rune('a' + i))), Limit: 1})
	}
	l.exec(`INSERT INTO webhook_deliveries (endpoint_id, sequence, tenant_id, payment_id, version, type, state, attempts, next_at, event_at, updated_at)
		SELECT e.id, n * 2 + v, $1, 'pay_' || n, 1, 'payment.paying', 'waiting', 1 - v, now() + (1 - v * 2) * interval '1 hour', now(), now() - interval '1 minute'
		  FROM webhook_endpoints e, generate_series(1, $2) n, generate_series(0, 1) v`, tenant, crowd)
	l.serve("w", endpoints)
	for _, want := range []int{atOnceMax * crowd, endpoints * crowd} {
		if _, err := l.Due(t.Context(), "w", wants); err != nil {
			t.Fatal(err)
		}
		if n := l.count("webhook_deliveries WHERE attempts = 0 AND next_at > now()"); n != want {
			t.Errorf("%d are put off, want %d", n, want)
		}
	}
}

func TestDue_isRepeatable(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	a := l.endpoint("a")
	l.wait(a, "pay_1", 1, 1)
	l.serve("w", 1)
	first := l.due("w", a, 1)[0]
	if second := l.due("w", a, 1)[0]; !second.UpdatedAt.Equal(first.UpdatedAt) || time.Since(second.NextAt) < 0 {
		t.Errorf("asking changed %+v to %+v", first, second)
	}
}
