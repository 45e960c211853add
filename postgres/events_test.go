package postgres_test

import (
	"slices"
	"testing"

	"github.com/paybuf/paybuf/payment"
)

// events reads all events of a payment of the test's tenant.
func (l *ledger) events(id payment.ID) []payment.Event {
	l.t.Helper()
	events, err := l.Events(l.t.Context(), tenant, id, payment.EventPage{Limit: 100})
	if err != nil {
		l.t.Fatal(err)
	}
	return events
}

// wantStates holds the steps that events tell against what is wanted.
func wantStates(t *testing.T, events []payment.Event, want ...payment.State) {
	t.Helper()
	was := payment.Queued
	var states []payment.State
	for i, e := range events {
		states = append(states, e.State)
		if e.Type != payment.EventType(e.State) || e.Was != was || e.At.IsZero() ||
			(i > 0 && (e.Version <= events[i-1].Version || e.Sequence <= events[i-1].Sequence)) {
			t.Errorf("event %d is %+v after %s", i, e, was)
		}
		was = e.State
	}
	if !slices.Equal(states, want) {
		t.Errorf("the states are %v, want %v", states, want)
	}
}

func TestEvents_sayTheSameWheneverTheyAreRead(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	work := l.claim(order(t, "A-1"))[0]
	l.settle(outcome(work, payment.Retrying, payment.VerdictNotCharged))
	l.makeDue(work.ID)
	early := l.events(work.ID)
	wantStates(t, early, payment.Paying, payment.Retrying)

	again := l.take()[0]
	parked := outcome(again, payment.Parked, payment.VerdictUnknown)
	parked.Failure = payment.Failure{Code: "outcome_unknown", Message: "nobody knows"}
	l.settle(parked)
	release := payment.Release{
		ID: work.ID, Version: l.read(work.ID).Version, To: payment.Succeeded, PayerReference: "ch_1",
		Operator: "ada", Reason: "in the payer's list",
	}
	if _, err := l.Release(t.Context(), release); err != nil {
		t.Fatal(err)
	}
	all := l.events(work.ID)
	wantStates(t, all, payment.Paying, payment.Retrying, payment.Paying, payment.Parked, payment.Succeeded)
	for i, e := range all {
		if i < len(early) && e.ID() != early[i].ID() {
			t.Errorf("event %d was %+v and is %+v", i, early[i], e)
		}
		if (e.PayerReference != "") != (e.State == payment.Succeeded) || (e.Failure.Code != "") != (e.State == payment.Parked) {
			t.Errorf("%s has reference %q and failure %+v", e.Type, e.PayerReference, e.Failure)
		}
		want := work.Request
		if r := e.Request; r.ID != want.ID || r.Tenant != tenant || r.OrderNumber != want.OrderNumber || r.Money != want.Money ||
			r.Customer != want.Customer || r.Description != want.Description || r.Metadata["cart"] != "918273" ||
			!r.AcceptedAt.Equal(want.AcceptedAt) || r.PaymentMethod != "" {
			t.Errorf("the request is %+v", r)
		}
	}
}

func TestEvents_areReadInPagesAndByTheirTenantOnly(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	work := l.claim(order(t, "A-1"))[0]
	l.settle(outcome(work, payment.Succeeded, payment.VerdictCharged))
	all := l.events(work.ID)
	wantStates(t, all, payment.Paying, payment.Succeeded)
	first, err := l.Events(t.Context(), tenant, work.ID, payment.EventPage{Limit: 1})
	if err != nil || len(first) != 1 || first[0].Sequence != all[0].Sequence {
		t.Errorf("got %+v, %v", first, err)
	}
	rest, err := l.Events(t.Context(), tenant, work.ID, payment.EventPage{After: first[0].Sequence, Limit: 10})
	if err != nil || len(rest) != 1 || rest[0].Sequence != all[1].Sequence {
		t.Errorf("got %+v, %v", rest, err)
	}
	foreign, err := l.Events(t.Context(), otherTenant, work.ID, payment.EventPage{Limit: 10})
	if err != nil || len(foreign) != 0 {
		t.Errorf("another tenant reads %+v, %v", foreign, err)
	}
}

// Events of before there were details tell of a failure what the row knows; nothing
// else can be known of them.
func TestEvents_ofOldRowsTellWhatIsStillKnown(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	work := l.claim(order(t, "A-1"))[0]
	l.exec(`UPDATE payments SET state = 'failed', version = 3, failure_code = 'declined', failure_message = 'no',
		payer_reference = 'ch_1', next_at = NULL WHERE id = $1`, work.ID)
	for _, state := range []string{"parked", "failed"} {
		l.exec(`INSERT INTO events (payment_id, tenant_id, version, type, state, at, place)
			VALUES ($1, $2, 2, 'payment.' || $3, $3, now(), 0)`, work.ID, tenant, state)
	}
	events := l.events(work.ID)
	if len(events) != 3 || events[1].Failure != (payment.Failure{}) || events[1].Was != "" || events[1].PayerReference != "" ||
		events[2].Failure != (payment.Failure{Code: "declined", Message: "no"}) || events[2].PayerReference != "ch_1" {
		t.Errorf("got %+v", events)
	}
}

func TestEvents_whatCameBeforeItsRequestIsBare(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	canceled := l.cancel(byOrder(order(t, "A-1")))
	events := l.events(canceled.ID)
	wantStates(t, events, payment.Canceled)
	if r := events[0].Request; r.OrderNumber != "A-1" || r.Money != (payment.Money{}) || len(r.Metadata) != 0 {
		t.Errorf("the request is %+v", r)
	}

	early := order(t, "A-2", costing(5))
	if _, err := l.Claim(t.Context(), nil, []payment.Request{early}, lease); err != nil {
		t.Fatal(err)
	}
	events = l.events(early.ID)
	if len(events) != 1 || events[0].Type != payment.EventConflict || events[0].State != payment.Queued ||
		events[0].Request.OrderNumber != "A-2" || events[0].Request.Money != (payment.Money{}) || events[0].Version != 0 {
		t.Errorf("got %+v", events)
	}
}
