package processor

import (
	"context"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/paybuf/paybuf/payment"
	"github.com/paybuf/paybuf/processor/processortest"
)

const (
	travelMax    = 40 * time.Millisecond // one way, to anything
	quietPoll    = 2 * time.Second
	quietMax     = 20 * time.Minute
	operatorsMax = 3 // rounds at the end
	violationMax = 3
)

// modelWorld is one interleaving as it happens: the processes, what is outside of
// them, and what must always be true.
type modelWorld struct {
	plan   plan
	flaws  flaws
	key    payment.IDKey
	begins time.Time
	refs   map[payment.ID]ref

	ledger *processortest.Ledger
	source *modelSource
	payer  *modelPayer
	nodes  []*node // by place; nil before the first start
	past   []*node // every incarnation
	sends  sync.WaitGroup

	incarnations int

	mu         sync.Mutex // guards the rest, and what is outside of the processes
	downUntil  time.Time  // the ledger
	seen       map[payment.ID]payment.Payment
	violations []string
	trace      []string
	counts     map[string]int

	coins sync.Mutex
	coin  map[string]int
}

// ref is where a payment stands in the plan.
type ref struct{ order, link int }

const modelTenant payment.TenantID = "acme"

// play runs a plan on a clock that jumps, and gives the world as it ended.
func play(t *testing.T, p plan, f flaws) *modelWorld {
	t.Helper()
	key, err := payment.NewIDKey([]byte(strings.Repeat("k", 32)))
	if err != nil {
		t.Fatal(err)
	}
	w := &modelWorld{
		plan: p, flaws: f, key: key, refs: map[payment.ID]ref{}, nodes: make([]*node, p.Nodes),
		seen: map[payment.ID]payment.Payment{}, counts: map[string]int{}, coin: map[string]int{},
	}
	synctest.Test(t, func(*testing.T) { w.run() })
	return w
}

func (w *modelWorld) run() {
	w.begins = time.Now()
	w.ledger = processortest.NewLedger()
	w.ledger.Flaws = w.flaws.ledger
	w.source = &modelSource{w: w}
	w.payer = &modelPayer{w: w, traits: payers[w.plan.Payer], accounts: map[payment.ID]*account{}}
	w.payer.memory = w.payer.traits.KeyWindow
	if w.plan.freezes() && !w.payer.traits.CanVoid { // who froze with a key in hand may send it when it thaws
		w.payer.memory += frozenMax * time.Duration(len(w.plan.Moves))
	}
	for order := range w.plan.Orders {
		for link := range linksMax + 1 {
			w.refs[w.id(order, link)] = ref{order, link}
		}
	}
	for place := range w.nodes {
		w.startNode(place)
	}
	for _, m := range w.plan.Moves {
		after(m.After)
		w.do(m)
	}
	w.settleDown()
	for _, n := range w.past {
		n.cancel()
		<-n.ended
	}
	w.sends.Wait()
	w.locked(func() { w.inspect(); w.checkEnd() })
}

// settleDown lets everything work until nothing is left to do, and operators decide
// about what is parked.
func (w *modelWorld) settleDown() {
	w.locked(func() { w.downUntil = time.Time{} })
	for place, n := range w.nodes {
		if n.dead.Load() || n.stopped {
			w.startNode(place)
		}
	}
	w.untilQuiet()
	for range operatorsMax {
		w.operate()
		w.untilQuiet()
	}
}

func (w *modelWorld) untilQuiet() {
	for waited := time.Duration(0); waited < quietMax; waited += quietPoll {
		quiet := false
		w.locked(func() { quiet = w.quiet() || len(w.violations) > 0 })
		if quiet {
			return
		}
		after(quietPoll)
	}
	w.locked(func() { w.violate("there is still work after %s", quietMax) })
}

func (w *modelWorld) quiet() bool {
	for _, p := range w.ledger.Payments() {
		if !p.State.Final() && p.State != payment.Parked {
			return false
		}
	}
	for _, a := range w.payer.accounts {
		if a.decide(time.Now()); a.flying > 0 || len(a.deciding) > 0 {
			return false
		}
	}
	return w.source.empty()
}

func (w *modelWorld) do(m move) {
	n := w.nodes[m.Node]
	w.locked(func() { w.logf("%s order %d link %d %s", m.Do, m.Order, m.Link, n.name) })
	switch m.Do {
	case submit, submitOther, submitRefused, retryStranger:
		w.locked(func() { w.submit(m) })
	case crash:
		n.kill()
	case stop:
		n.cancel()
		n.stopped = true
	case start:
		if n.dead.Load() || n.stopped {
			w.startNode(m.Node)
		}
	case freeze:
		w.locked(func() { n.frozenUntil = time.Now().Add(m.For); n.everFrozen = true })
	case outage:
		w.locked(func() { w.downUntil = time.Now().Add(m.For) })
	case loseAnswers:
		w.locked(func() { n.loses = m.Count })
	case cancelPayment, cancelOrder:
		w.locked(func() { w.cancel(m) })
	case operate:
		w.operate()
	}
}

func (w *modelWorld) submit(m move) {
	link := m.Link
	if m.Do == retryStranger {
		if len(w.plan.Orders) == 1 {
			return
		}
		link = linksMax
	}
	request := w.request(m.Order, link, m.Do == submitOther || m.Do == submitRefused)
	delivery := payment.Delivery{Request: request, Conflict: m.Do == submitRefused}
	w.source.messages = append(w.source.messages, &message{delivery: delivery})
}

// id is that of a link of an order's chain. One more link than there are tries
// another order's payment again.
func (w *modelWorld) id(order, link int) payment.ID {
	return w.key.Derive(modelTenant, orderNumber(order), w.retryOf(order, link))
}

func (w *modelWorld) retryOf(order, link int) payment.ID {
	switch link {
	case 0:
		return ""
	case linksMax:
		return w.id((order+1)%len(w.plan.Orders), 0)
	}
	return w.id(order, link-1)
}

func orderNumber(order int) string { return fmt.Sprintf("A-%d", order) }

func (w *modelWorld) request(order, link int, other bool) payment.Request {
	draft := payment.Draft{
		OrderNumber: orderNumber(order), AmountMinor: int64(100 + order), Currency: "EUR", PaymentMethod: "tok",
		RetryOf: string(w.retryOf(order, link)),
	}
	if other {
		draft.AmountMinor += 50
	}
	if notBefore := w.plan.Orders[order].NotBefore; notBefore > 0 && link == 0 {
		draft.NotBefore = w.begins.Add(notBefore).UTC().Format(time.RFC3339)
	}
	request, err := payment.NewRequest(w.key, modelTenant, draft, time.Now())
	if err != nil {
		panic(err)
	}
	return request
}

// cancel asks for a cancellation as a client does. A process that froze before the
// first byte of its call may still send it, whatever the payer remembers, so with
// such processes nobody cancels.
func (w *modelWorld) cancel(m move) {
	if w.plan.freezes() {
		return
	}
	first := w.id(m.Order, 0)
	c := payment.Cancellation{Tenant: modelTenant, OrderNumber: orderNumber(m.Order), First: first, Waiting: w.source.waiting(first)}
	if m.Do == cancelPayment {
		id := w.id(m.Order, m.Link)
		c = payment.Cancellation{Tenant: modelTenant, ID: id, Waiting: w.source.waiting(id)}
	}
	p, err := w.ledger.Cancel(context.Background(), c)
	code, _ := payment.CodeOf(err)
	switch {
	case err == nil && p.State != payment.Canceled:
		w.violate("%s was canceled and is %s", w.name(p.ID), p.State)
	case err != nil && code != payment.CodeNotCancelable && code != payment.CodeNotFound:
		w.violate("a cancellation failed: %v", err)
	case err != nil:
		w.count(string(code))
	}
	w.inspect()
}

// operate lets an operator decide about each parked payment of which the payer's
// own word is certain. A second decision on the same version must be refused.
func (w *modelWorld) operate() {
	w.locked(func() {
		for _, p := range w.ledger.Payments() {
			to := w.verdictOn(p)
			if to == "" {
				continue
			}
			release := payment.Release{ID: p.ID, Version: p.Version, To: to, Operator: "op", Reason: "asked the payer"}
			if to == payment.Succeeded {
				release.PayerReference = "ch"
			}
			w.logf("operator: %s to %s", w.name(p.ID), to)
			if _, err := w.ledger.Release(context.Background(), release); err != nil {
				w.violate("a release failed: %v", err)
			}
			if to == payment.Retrying {
				w.account(p.ID).doubtful = false
			}
			w.inspect()
			_, err := w.ledger.Release(context.Background(), release)
			if code, _ := payment.CodeOf(err); code != payment.CodeNotReleasable {
				w.violate("a second release of one version: %v", err)
			}
		}
	})
}

// verdictOn is what an operator who has asked the payer decides, "" if nothing.
func (w *modelWorld) verdictOn(p payment.Payment) payment.State {
	a := w.account(p.ID)
	a.decide(time.Now())
	if p.State != payment.Parked || a.flying > 0 || len(a.calls) > 0 || len(a.deciding) > 0 || w.frozen() {
		return ""
	}
	choices := []payment.State{payment.Retrying, payment.Unknown, payment.Failed, payment.Canceled}
	switch {
	case len(a.charges) == 1 && a.charges[0].amount == p.Money:
		choices = []payment.State{payment.Succeeded, payment.Unknown}
	case len(a.charges) > 0:
		return ""
	}
	return choices[int(w.chance("operator")*float64(len(choices)))]
}

func (w *modelWorld) frozen() bool {
	for _, n := range w.past {
		if time.Now().Before(n.frozenUntil) {
			return true
		}
	}
	return false
}

// account gives the payer's account of a payment. The caller has the lock.
func (w *modelWorld) account(id payment.ID) *account {
	a := w.payer.accounts[id]
	if a == nil {
		at := w.refs[id]
		a = &account{order: at.order, link: at.link}
		w.payer.accounts[id] = a
	}
	return a
}

// statedTraits is what the processor is told of the payer.
func (w *modelWorld) statedTraits() payment.Traits {
	if w.flaws.traits != nil {
		return w.flaws.traits(w.payer.traits)
	}
	return w.payer.traits
}

func (w *modelWorld) locked(do func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	do()
}

// travel takes the time of a way. Each way has a delay of its own, so that what
// happens when does not hang on the scheduler.
func (w *modelWorld) travel(way string) {
	after(time.Millisecond + time.Duration(w.chance(way)*float64(travelMax)))
}

// chance gives a number from 0 to 1 that depends on the plan, on what is decided and
// on how often it was before.
func (w *modelWorld) chance(what string) float64 {
	w.coins.Lock()
	w.coin[what]++
	n := w.coin[what]
	w.coins.Unlock()
	digest := fnv.New64a()
	_, _ = digest.Write([]byte(what))
	return rand.New(rand.NewPCG(w.plan.Seed+uint64(n), digest.Sum64())).Float64()
}

// The rest is for callers who have the lock.

func (w *modelWorld) violate(format string, args ...any) {
	if len(w.violations) < violationMax {
		w.violations = append(w.violations, fmt.Sprintf(format, args...))
	}
	w.logf("VIOLATION "+format, args...)
}

func (w *modelWorld) logf(format string, args ...any) {
	at := time.Since(w.begins).Truncate(time.Millisecond)
	w.trace = append(w.trace, fmt.Sprintf("%8s ", at)+fmt.Sprintf(format, args...))
}

func (w *modelWorld) count(what string) { w.counts[what]++ }

func (w *modelWorld) name(id payment.ID) string {
	at := w.refs[id]
	return fmt.Sprintf("order %d link %d", at.order, at.link)
}
