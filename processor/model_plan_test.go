package processor

import (
	"slices"
	"time"

	"pgregory.net/rapid"

	"github.com/paybuf/paybuf/payment"
)

// plan is one interleaving: who the payer is, which orders there are, and what
// happens in which order. It is all that is drawn. Everything else follows from it, but
// for the order of what the processor does at the very same moment; so nearly every
// failure can be repeated and made smaller.
type plan struct {
	Seed  uint64 // of the delays, jitters and coins on the way
	Payer int    // index in payers
	Nodes int
	// Concurrency is of each node. With the lesser one, payments wait for their turn,
	// in an order that the scheduler chooses.
	Concurrency int
	Orders      []plannedOrder
	Moves       []move
}

// concurrencyAmple is more than all payments of a plan.
const concurrencyAmple = 32

const linksMax = 3 // of a chain: the first payment and two that try again

type plannedOrder struct {
	NotBefore time.Duration         // of its first payment, from the beginning; 0 for at once
	Sends     [linksMax][]behaviour // what the payer does with each send; it charges when they are used up
}

// payers offer what payers offer. The delays below keep within what they say.
var payers = []payment.Traits{
	{KeyWindow: modelKeyWindow, CanLookup: true, VisibilityDelay: 5 * time.Second},
	{CanLookup: true, VisibilityDelay: 5 * time.Second},
	{KeyWindow: modelKeyWindow},
	{},
	{CanVoid: true, VisibilityDelay: 5 * time.Second},
	{KeyWindow: modelKeyWindow, CanVoid: true, VisibilityDelay: 5 * time.Second},
}

const (
	modelKeyWindow = 90 * time.Second
	frozenMax      = 30 * time.Second
)

// conduct is what the payer does with a request to charge.
type conduct string

const (
	charges         conduct = "charges"
	chargesSilently conduct = "charges, and the answer is lost"
	chargesWrongly  conduct = "charges another amount"
	losesRequest    conduct = "loses the request"
	declines        conduct = "declines"
	declinesQuietly conduct = "declines, and the answer is lost"
	pendsAndCharges conduct = "decides later to charge"
	pendsAndRefuses conduct = "decides later not to"
	isBusy          conduct = "429"
	cannotBeReached conduct = "no connection"
)

var conducts = []conduct{
	charges, chargesSilently, losesRequest, declines, isBusy, cannotBeReached, declinesQuietly,
	pendsAndCharges, pendsAndRefuses, chargesWrongly,
}

// behaviour is one conduct and how long it takes. Processing and Hidden together
// stay below the visibility delay, since that is the payer's promise.
type behaviour struct {
	Conduct    conduct
	Processing time.Duration // until the effect
	Hidden     time.Duration // from then until a look-up shows it, or a void finds it
	Late       time.Duration // from the effect until the answer
}

// deed is a kind of move.
type deed string

const (
	submit        deed = "submit"
	submitOther   deed = "submit another body"
	submitRefused deed = "submit a body that was answered 409"
	retryStranger deed = "retry another order's payment"
	crash         deed = "crash"
	start         deed = "start"
	stop          deed = "stop"
	freeze        deed = "freeze"
	outage        deed = "outage of the ledger"
	loseAnswers   deed = "lose the ledger's answers"
	cancelPayment deed = "cancel by id"
	cancelOrder   deed = "cancel by order number"
	operate       deed = "operator"
)

// Submissions, crashes and cancellations are drawn most often.
var deeds = []deed{
	submit, submit, submit, submit, submit, submitOther, submitRefused, retryStranger,
	crash, crash, crash, start, start, stop, freeze, freeze, outage, outage, loseAnswers,
	cancelPayment, cancelPayment, cancelOrder, operate,
}

// move is one thing that happens from outside, After the one before.
type move struct {
	After time.Duration
	Do    deed
	Order int
	Link  int
	Node  int
	For   time.Duration // a freeze, an outage
	Count int           // answers that are lost
}

// plans draws interleavings.
var plans = rapid.Custom(func(t *rapid.T) plan {
	p := plan{
		Seed:        rapid.Uint64().Draw(t, "seed"),
		Payer:       rapid.IntRange(0, len(payers)-1).Draw(t, "payer"),
		Nodes:       rapid.IntRange(1, 3).Draw(t, "nodes"),
		Concurrency: rapid.SampledFrom([]int{concurrencyAmple, concurrencyAmple, 2}).Draw(t, "concurrency"),
	}
	p.Orders = rapid.SliceOfN(orders, 1, 6).Draw(t, "orders")
	for i := range p.Orders {
		p.Moves = append(p.Moves, move{After: seconds(t, "after", 3), Do: submit, Order: i})
	}
	more := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) move { return drawMove(t, p) }), 0, 24).Draw(t, "moves")
	for _, m := range more { // among the first submissions, so that a cancellation may come before its order
		at := rapid.IntRange(0, len(p.Moves)).Draw(t, "at")
		p.Moves = slices.Insert(p.Moves, at, m)
	}
	return p
})

var orders = rapid.Custom(func(t *rapid.T) plannedOrder {
	var o plannedOrder
	if rapid.IntRange(0, 4).Draw(t, "scheduled") == 4 {
		o.NotBefore = seconds(t, "not before", 60)
	}
	for i := range o.Sends {
		o.Sends[i] = rapid.SliceOfN(behaviours, 0, 4).Draw(t, "sends")
	}
	return o
})

var behaviours = rapid.Custom(func(t *rapid.T) behaviour {
	b := behaviour{
		Conduct:    rapid.SampledFrom(conducts).Draw(t, "conduct"),
		Processing: milliseconds(t, "processing", 1400),
		Hidden:     milliseconds(t, "hidden", 3400),
	}
	if rapid.IntRange(0, 3).Draw(t, "late") == 3 {
		b.Late = milliseconds(t, "late by", 4000)
	}
	return b
})

func drawMove(t *rapid.T, p plan) move {
	m := move{
		After: milliseconds(t, "after", 2500),
		Do:    rapid.SampledFrom(deeds).Draw(t, "do"),
		Order: rapid.IntRange(0, len(p.Orders)-1).Draw(t, "order"),
		Link:  rapid.SampledFrom([]int{0, 0, 1, 1, 2}).Draw(t, "link"),
		Node:  rapid.IntRange(0, p.Nodes-1).Draw(t, "node"),
		Count: rapid.IntRange(1, 3).Draw(t, "count"),
	}
	if rapid.IntRange(0, 3).Draw(t, "pause") == 3 {
		m.After += seconds(t, "paused", 20)
	}
	if m.Do == crash || m.Do == freeze { // amid what has just begun
		m.After %= 700 * time.Millisecond
	}
	m.For = seconds(t, "for", int(frozenMax/time.Second))
	if m.Do == freeze { // long enough for others to take over
		m.For = min(m.For+modelConfig.Lease, frozenMax)
	}
	return m
}

func seconds(t *rapid.T, label string, upTo int) time.Duration {
	return milliseconds(t, label, upTo*1000)
}

func milliseconds(t *rapid.T, label string, upTo int) time.Duration {
	return time.Duration(rapid.IntRange(0, upTo).Draw(t, label)) * time.Millisecond
}

// freezes tells that a process of the plan is frozen for a while.
func (p plan) freezes() bool {
	return slices.ContainsFunc(p.Moves, func(m move) bool { return m.Do == freeze })
}

// behaviour is what the payer does with the nth send of a payment.
func (o plannedOrder) behaviour(link, send int) behaviour {
	if link < linksMax && send <= len(o.Sends[link]) {
		return o.Sends[link][send-1]
	}
	return behaviour{Conduct: charges}
}
