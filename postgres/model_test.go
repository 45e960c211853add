package postgres_test

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/paybuf/paybuf/payment"
	"github.com/paybuf/paybuf/processor/processortest"
)

// duel puts the same calls to the ledger and to its model, and holds their answers
// and what they keep against each other. Both have clocks of their own, so what is
// due is drawn: at once, or not in this test.
type duel struct {
	real   *ledger
	rest   decider // of the real one
	model  *processortest.Ledger
	tenant payment.TenantID
	began  time.Time
	works  []payment.Work // all that were ever held
	seen   map[string]int // what came of the calls
}

// decider is what clients and operators ask of a ledger.
type decider interface {
	Cancel(ctx context.Context, c payment.Cancellation) (payment.Payment, error)
	Release(ctx context.Context, r payment.Release) (payment.Payment, error)
}

const (
	duelOrders = 2
	duelLinks  = 3 // of a chain; one more tries another order's payment again
	far        = time.Hour
)

// What the processor's tests rest on is what the database does.
func TestModel_isWhatTheDatabaseDoes(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	round, seen := 0, map[string]int{}
	rapid.Check(t, func(rt *rapid.T) {
		round++
		clock := time.Now()
		model := processortest.NewLedger()
		model.Now = func() time.Time {
			clock = clock.Add(time.Millisecond)
			return clock
		}
		d := &duel{real: l, model: model, tenant: payment.TenantID(fmt.Sprintf("shop-%d", round)), began: clock, seen: seen}
		d.rest, _ = any(l.DB).(decider)
		defer l.exec(`UPDATE payments SET version = version + 1, next_at = now() + interval '30 days'
			WHERE tenant_id = $1 AND next_at IS NOT NULL`, d.tenant) // nothing of it is due in the next round
		actions := map[string]func(*rapid.T){
			"":             d.compare,
			"claim":        d.claim,
			"claim again":  d.claim,
			"lease":        d.lease,
			"lease again":  d.lease,
			"settle":       d.settle,
			"settle again": d.settle,
		}
		if d.rest != nil {
			actions["cancel"] = d.cancel
			actions["release"], actions["release again"] = d.release, d.release
		}
		rt.Repeat(actions)
		d.compareEvents(rt)
	})
	eventful := []string{"works", "duplicates", "conflicts", "leased", "settled", "late", "claim: invalid_request", "settle: invalid_request"}
	if _, full := any(l.DB).(decider); full {
		eventful = append(eventful, "scheduled", "refused", "cancel: ", "cancel: not_cancelable", "cancel: not_found",
			"release: ", "release: not_releasable", "release: invalid_request")
	}
	for _, what := range eventful {
		if seen[what] == 0 {
			t.Errorf("%q was never the answer: %v", what, seen)
		}
	}
}

func (d *duel) claim(t *rapid.T) {
	requests := rapid.SliceOfN(rapid.Custom(d.request), 1, 4).Draw(t, "requests")
	conflicts := rapid.SliceOfN(rapid.Custom(d.request), 0, 1).Draw(t, "conflicts")
	lease := drawLease(t)
	got, err := d.real.Claim(d.real.t.Context(), requests, conflicts, lease)
	want, wantErr := d.model.Claim(d.real.t.Context(), requests, conflicts, lease)
	d.sameError(t, "claim", err, wantErr)
	sameWorks(t, got.Works, want.Works)
	d.works = append(d.works, got.Works...)
	d.seen["works"] += len(got.Works)
	d.seen["duplicates"] += got.Duplicates
	d.seen["conflicts"] += got.Conflicts
	d.seen["scheduled"] += got.Scheduled
	d.seen["refused"] += got.Refused
	if !sameClaimed(got, want) {
		t.Fatalf("claim: %+v, the model %+v", got, want)
	}
}

func sameClaimed(a, b payment.Claimed) bool {
	return a.Scheduled == b.Scheduled && a.Refused == b.Refused && a.Duplicates == b.Duplicates && a.Conflicts == b.Conflicts
}

func (d *duel) lease(t *rapid.T) {
	lease := drawLease(t)
	got, err := d.real.Lease(d.real.t.Context(), 100, lease)
	want, wantErr := d.model.Lease(d.real.t.Context(), 100, lease)
	d.sameError(t, "lease", err, wantErr)
	sameWorks(t, got, want)
	d.works = append(d.works, got...)
	d.seen["leased"] += len(got)
}

func (d *duel) settle(t *rapid.T) {
	if len(d.works) == 0 {
		t.Skip("nobody holds anything")
	}
	outcomes := rapid.SliceOfN(rapid.Custom(d.outcome), 1, 3).Draw(t, "outcomes")
	got, err := d.real.Settle(d.real.t.Context(), outcomes)
	want, wantErr := d.model.Settle(d.real.t.Context(), outcomes)
	d.sameError(t, "settle", err, wantErr)
	if got != want {
		t.Fatalf("settled %d, the model %d", got, want)
	}
	d.seen["settled"] += got
	if err == nil {
		d.seen["late"] += len(outcomes) - got
	}
}

// outcome draws what came of a work that somebody holds, or held.
func (d *duel) outcome(t *rapid.T) payment.Outcome {
	i := rapid.IntRange(0, len(d.works)-1).Draw(t, "work")
	work := d.works[len(d.works)-1-i] // the latest are likelier to be held still
	o := payment.Outcome{
		ID: work.ID, Version: work.Version, From: work.State,
		To: rapid.SampledFrom(append(payment.States(), payment.Parked)).Draw(t, "to"), // else few are ever released
	}
	o.NextIn = rapid.SampledFrom([]time.Duration{0, far}).Draw(t, "next in")
	o.Answer.PayerReference = rapid.SampledFrom([]string{"", "ch_1", "ch_2"}).Draw(t, "reference")
	o.Code = rapid.SampledFrom([]string{"", "card_declined"}).Draw(t, "failure")
	return o
}

func (d *duel) cancel(t *rapid.T) {
	waiting := d.request(t)
	c := payment.Cancellation{Tenant: d.tenant, ID: waiting.ID, Waiting: &waiting}
	if rapid.Bool().Draw(t, "by order number") {
		c.ID, c.OrderNumber = "", waiting.OrderNumber
		c.First = idKey(d.real.t, 0).Derive(d.tenant, waiting.OrderNumber, "")
	}
	if rapid.Bool().Draw(t, "nothing waits") {
		c.Waiting = nil
	}
	got, err := d.rest.Cancel(d.real.t.Context(), c)
	want, wantErr := d.model.Cancel(d.real.t.Context(), c)
	d.sameError(t, "cancel", err, wantErr)
	samePayment(t, got, want)
}

// releasedTo is what operators decide: each that they may, and one that they may not.
var releasedTo = []payment.State{
	payment.Retrying, payment.Unknown, payment.Succeeded, payment.Failed, payment.Canceled, payment.Paying,
}

func (d *duel) release(t *rapid.T) {
	var parked []payment.Payment
	for _, state := range []payment.State{payment.Parked, payment.Succeeded} { // the latter if there are none of the former
		if len(parked) == 0 {
			parked = slices.DeleteFunc(d.model.Payments(), func(p payment.Payment) bool { return p.State != state })
		}
	}
	if len(parked) == 0 {
		t.Skip("nothing is parked")
	}
	p := rapid.SampledFrom(parked).Draw(t, "payment")
	r := payment.Release{
		ID: p.ID, Version: p.Version - rapid.SampledFrom([]int64{0, 0, 0, 1}).Draw(t, "behind"),
		To:       rapid.SampledFrom(releasedTo).Draw(t, "to"),
		Operator: "op", Reason: "asked the payer",
	}
	if r.To == payment.Succeeded {
		r.PayerReference = rapid.SampledFrom([]string{"ch_3", "ch_3", ""}).Draw(t, "reference")
	}
	got, err := d.rest.Release(d.real.t.Context(), r)
	want, wantErr := d.model.Release(d.real.t.Context(), r)
	d.sameError(t, "release", err, wantErr)
	samePayment(t, got, want)
}

// request draws a body for a link of an order's chain.
func (d *duel) request(t *rapid.T) payment.Request {
	number := rapid.IntRange(0, duelOrders-1).Draw(t, "order")
	draft := payment.Draft{
		OrderNumber: orderOf(number), AmountMinor: rapid.SampledFrom([]int64{100, 100, 100, 250}).Draw(t, "amount"),
		Currency: "EUR", PaymentMethod: "tok",
	}
	if d.rest != nil {
		draft.RetryOf = string(d.retryOf(number, rapid.IntRange(0, duelLinks).Draw(t, "link")))
		if in := rapid.SampledFrom([]time.Duration{0, 0, 0, -far, far}).Draw(t, "not before"); in != 0 {
			draft.NotBefore = d.began.Add(in).UTC().Format(time.RFC3339)
		}
	}
	request, err := payment.NewRequest(idKey(d.real.t, 0), d.tenant, draft, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return request
}

func (d *duel) retryOf(number, link int) payment.ID {
	key := idKey(d.real.t, 0)
	switch link {
	case 0:
		return ""
	case duelLinks:
		return key.Derive(d.tenant, orderOf((number+1)%duelOrders), "")
	}
	return key.Derive(d.tenant, orderOf(number), d.retryOf(number, link-1))
}

func orderOf(number int) string { return fmt.Sprintf("A-%d", number) }

func drawLease(t *rapid.T) time.Duration {
	return rapid.SampledFrom([]time.Duration{time.Microsecond, far}).Draw(t, "lease")
}

// compare reads everything from both.
func (d *duel) compare(t *rapid.T) {
	kept := map[payment.ID]payment.Payment{}
	for number := range duelOrders {
		payments, err := d.real.PaymentsByOrder(d.real.t.Context(), d.tenant, orderOf(number))
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range payments {
			kept[p.ID] = p
		}
	}
	modeled := d.model.Payments()
	if len(kept) != len(modeled) {
		t.Fatalf("%d payments, the model has %d", len(kept), len(modeled))
	}
	for _, want := range modeled {
		samePayment(t, kept[want.ID], want)
	}
}

// told is an event without its place and time.
type told struct {
	Type    string
	State   payment.State
	Version int64
}

func (d *duel) compareEvents(t *rapid.T) {
	for _, p := range d.model.Payments() {
		var want []told
		for _, e := range d.model.Events(p.ID) {
			want = append(want, told{e.Type, e.State, e.Version})
		}
		got := query[[]told](d.real, `SELECT coalesce(jsonb_agg(jsonb_build_object('Type', type, 'State', state,
			'Version', version) ORDER BY sequence), '[]') FROM events WHERE payment_id = $1`, p.ID)
		if !slices.Equal(got, want) {
			t.Fatalf("%s: events %v, the model's %v", p.ID, got, want)
		}
	}
}

// essence is a payment without what hangs on the clock and on wording.
type essence struct {
	id, retryOf, retriedBy payment.ID
	money                  payment.Money
	fingerprint            payment.Fingerprint
	state                  payment.State
	version                int64
	attempts               int
	reference, failure     string
	due, rests             bool
}

func essenceOf(p payment.Payment) essence {
	return essence{
		id: p.ID, retryOf: p.RetryOf, retriedBy: p.RetriedBy, money: p.Money, fingerprint: p.Fingerprint(),
		state: p.State, version: p.Version, attempts: p.Attempts,
		reference: p.PayerReference, failure: p.Failure.Code,
		due: !p.NextAt.IsZero() && time.Until(p.NextAt) < far/2, rests: p.NextAt.IsZero(),
	}
}

func samePayment(t *rapid.T, got, want payment.Payment) {
	if want.RetriedBy == "" || got.RetriedBy == "" { // not every answer tells
		got.RetriedBy, want.RetriedBy = "", ""
	}
	if essenceOf(got) != essenceOf(want) {
		t.Fatalf("a payment is\n%+v, in the model\n%+v", essenceOf(got), essenceOf(want))
	}
}

// workEssence is a work without the clock's readings, but with how they compare.
type workEssence struct {
	essence
	attempt, lookups    int
	first, last, called bool // at the lease's beginning; ever
}

func sameWorks(t *rapid.T, got, want []payment.Work) {
	essences := func(works []payment.Work) []workEssence {
		var all []workEssence
		for _, w := range works {
			all = append(all, workEssence{
				essence: essenceOf(w.Payment), attempt: w.Attempt, lookups: w.Lookups,
				first: w.FirstAttemptAt.Equal(w.LeasedAt), last: w.LastAttemptAt.Equal(w.LeasedAt),
				called: !w.FirstAttemptAt.IsZero(),
			})
		}
		slices.SortFunc(all, func(a, b workEssence) int { return cmp.Compare(a.id, b.id) })
		return all
	}
	if g, w := essences(got), essences(want); !slices.Equal(g, w) {
		t.Fatalf("works\n%+v, the model's\n%+v", g, w)
	}
}

func (d *duel) sameError(t *rapid.T, doing string, got, want error) {
	if code(got) != code(want) {
		t.Fatalf("%s: %v, the model: %v", doing, got, want)
	}
	d.seen[doing+": "+string(code(got))]++
}

func code(err error) payment.Code {
	if err == nil {
		return ""
	}
	code, _ := payment.CodeOf(err)
	return code
}
