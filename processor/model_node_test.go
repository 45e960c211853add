package processor

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/paybuf/paybuf/payment"
)

var (
	errLedgerDown = &payment.Error{Code: payment.CodeUnavailable, Detail: "down"}
	errAnswerLost = &payment.Error{Code: payment.CodeUnavailable, Detail: "answer lost"}
	errDead       = errors.New("the process is dead")
)

// node is one process: the real processor, and between it and the world what a
// process and its network can do to it. It is the processor's source, ledger and
// payer.
type node struct {
	w         *modelWorld
	name      string
	processor *Processor
	cancel    context.CancelFunc
	ended     chan struct{}
	dead      atomic.Bool

	// The world's lock guards the rest.
	stopped     bool
	frozenUntil time.Time
	everFrozen  bool
	loses       int // answers of the ledger
}

// modelConfig has short times, so that a day of trouble is a minute.
var modelConfig = Config{
	PayTimeout: 2 * time.Second, Lease: 6 * time.Second, DuePoll: 2 * time.Second,
	RetryBase: 500 * time.Millisecond, RetryMax: 20 * time.Second, PendingPoll: 5 * time.Second,
	ParkAfter: 4 * time.Minute, BreakerDelay: 2 * time.Second, StopTimeout: 3 * time.Second,
}

// startNode starts a process in its place.
func (w *modelWorld) startNode(place int) {
	w.incarnations++
	n := &node{w: w, name: fmt.Sprintf("n%d.%d", place, w.incarnations), ended: make(chan struct{})}
	cfg := modelConfig
	cfg.Concurrency = w.plan.Concurrency
	p, err := New([]Source{n}, n, n, cfg)
	if err != nil {
		panic(err)
	}
	jitter := w.chance(n.name + " jitter")
	p.policy.jitter = func() float64 { return jitter }
	n.processor = p
	ctx, cancel := context.WithCancel(context.Background())
	n.cancel = cancel
	go func() { p.Run(ctx); close(n.ended) }()
	w.nodes[place] = n
	w.past = append(w.past, n)
}

// kill ends a process: whatever it does from now on reaches nobody.
func (n *node) kill() {
	n.dead.Store(true)
	n.cancel()
}

// through takes a call to the ledger and back. A process that dies on the way there
// may have been heard or not; one that dies on the way back has been.
func through[T any](ctx context.Context, n *node, what string, do func() (T, error)) (T, error) {
	var none T
	if n.dead.Load() {
		return none, n.hang(ctx)
	}
	n.w.travel(n.name + what)
	n.thaw()
	if n.dead.Load() && n.w.chance(n.name+what+" on the wire") < 0.5 {
		return none, n.hang(ctx)
	}
	answer, err := none, error(nil)
	n.w.locked(func() {
		if time.Now().Before(n.w.downUntil) {
			err = errLedgerDown
			return
		}
		answer, err = do()
		n.w.inspect()
		if n.loses > 0 {
			n.loses--
			answer, err = none, errAnswerLost
		}
	})
	n.w.travel(n.name + what)
	n.thaw()
	if n.dead.Load() {
		return none, n.hang(ctx)
	}
	return answer, err
}

// hang is what becomes of a dead process's calls; that ctx ends is only our
// tidying up.
func (n *node) hang(ctx context.Context) error {
	<-ctx.Done()
	return errDead
}

// thaw waits while the process is frozen.
func (n *node) thaw() {
	for {
		n.w.mu.Lock()
		left := time.Until(n.frozenUntil)
		n.w.mu.Unlock()
		if left <= 0 {
			return
		}
		after(left)
	}
}

func (n *node) Fetch(ctx context.Context, limit int) ([]payment.Delivery, error) {
	n.thaw()
	if n.dead.Load() {
		return nil, n.hang(ctx)
	}
	n.w.travel(n.name + " fetch")
	var deliveries []payment.Delivery
	n.w.locked(func() {
		if !n.dead.Load() {
			deliveries = n.w.source.handOut(n, limit)
		}
	})
	if len(deliveries) == 0 {
		pause(ctx, 700*time.Millisecond)
	}
	return deliveries, nil
}

func (n *node) Claim(
	ctx context.Context, requests, conflicts []payment.Request, lease time.Duration,
) (payment.Claimed, error) {
	return through(ctx, n, " claim", func() (payment.Claimed, error) {
		claimed, err := n.w.ledger.Claim(ctx, requests, conflicts, lease)
		n.w.logf("%s claims %d: %d works, %+v", n.name, len(requests), len(claimed.Works), err)
		return claimed, err
	})
}

func (n *node) KeepBatches(ctx context.Context, batches []payment.Batch) error {
	return n.w.ledger.KeepBatches(ctx, batches)
}

func (n *node) Bury(ctx context.Context, letters []payment.DeadLetter) error {
	return n.w.ledger.Bury(ctx, letters)
}

func (n *node) Lease(ctx context.Context, limit int, lease time.Duration) ([]payment.Work, error) {
	return through(ctx, n, " lease", func() ([]payment.Work, error) {
		works, err := n.w.ledger.Lease(ctx, limit, lease)
		for _, work := range works {
			if n.w.seen[work.ID].State == payment.Paying {
				n.w.count("take-over")
			}
			n.w.logf("%s takes over %s as %s, version %d", n.name, n.w.name(work.ID), work.State, work.Version)
		}
		return works, err
	})
}

func (n *node) Settle(ctx context.Context, outcomes []payment.Outcome) (int, error) {
	return through(ctx, n, " settle", func() (int, error) {
		settled, err := n.w.ledger.Settle(ctx, outcomes)
		sorted := slices.SortedFunc(slices.Values(outcomes), func(a, b payment.Outcome) int { return cmp.Compare(a.ID, b.ID) })
		for _, o := range sorted { // since several may be found at the same moment
			n.w.logf("%s settles %s version %d: %s to %s by %s", n.name, n.w.name(o.ID), o.Version, o.From, o.To, o.Answer.Verdict)
		}
		if settled < len(outcomes) {
			n.w.count("late write")
		}
		return settled, err
	})
}

func (n *node) Traits() payment.Traits { return n.w.statedTraits() }

// Charge sends a request, which lives on if its sender dies or gives up. A process
// that is frozen before the first byte of its call is the one that nothing on our
// side can exclude at a payer that ignores keys, or voids (docs/lifecycle.md), so
// there it is frozen afterwards.
func (n *node) Charge(ctx context.Context, request payment.Request) payment.Answer {
	if n.w.payer.traits.KeyWindow > 0 && !n.w.payer.traits.CanVoid {
		n.thaw()
	}
	if n.dead.Load() {
		_ = n.hang(ctx)
		return payment.Answer{}
	}
	var a *account
	var call *payerCall
	n.w.locked(func() {
		a = n.w.account(request.ID)
		call = n.begin(request.ID, a)
		a.flying++
	})
	answer := n.hear(ctx, func() payment.Answer { return n.w.payer.charge(request, a) })
	n.w.locked(func() {
		n.end(call, a)
		if n.dead.Load() || answer.Verdict == payment.VerdictUnknown || answer.Verdict == payment.VerdictPending {
			a.doubtful = true
		}
	})
	if n.dead.Load() {
		_ = n.hang(ctx)
		return payment.Answer{}
	}
	return n.w.flaws.answer(answer)
}

// hear waits for the answer to what is sent, which arrives whoever waits.
func (n *node) hear(ctx context.Context, send func() payment.Answer) (answer payment.Answer) {
	answered := make(chan payment.Answer, 1)
	n.w.sends.Go(func() { answered <- send() })
	select {
	case answer = <-answered:
	case <-ctx.Done():
	}
	n.thaw()
	return answer
}

func (n *node) Lookup(ctx context.Context, id payment.ID, money payment.Money) payment.Answer {
	n.thaw()
	if n.dead.Load() {
		_ = n.hang(ctx)
		return payment.Answer{}
	}
	if n.w.flaws.blindLookup {
		return payment.Answer{Verdict: payment.VerdictNotFound}
	}
	var a *account
	var call *payerCall
	n.w.locked(func() {
		a = n.w.account(id)
		call = n.begin(id, a)
		n.w.count("look-up")
	})
	answer := n.w.payer.lookup(id, money)
	n.w.locked(func() {
		n.end(call, a)
		n.w.logf("payer: look-up of %s: %s", n.w.name(id), answer.Verdict)
	})
	n.thaw()
	if n.dead.Load() {
		_ = n.hang(ctx)
	}
	return answer
}

// begin notes a call. Two for the same payment may only meet if a process of them is
// dead or was frozen: its lease has run out.
func (n *node) begin(id payment.ID, a *account) *payerCall {
	for _, other := range a.calls {
		if !other.from.dead.Load() && !other.from.everFrozen && !n.everFrozen {
			n.w.violate("%s calls the payer for %s while %s does", n.name, n.w.name(id), other.from.name)
		}
	}
	call := &payerCall{from: n}
	a.calls = append(a.calls, call)
	return call
}

func (n *node) end(call *payerCall, a *account) {
	a.calls = slices.DeleteFunc(a.calls, func(c *payerCall) bool { return c == call })
}

// modelSource is the buffer: it hands each message out until it is acknowledged.
type modelSource struct {
	w        *modelWorld
	messages []*message
}

type message struct {
	delivery payment.Delivery
	again    time.Time // when it is handed out next
	acked    bool
}

// ackWait is after how long an unacknowledged message comes again.
const ackWait = 5 * time.Second

func (s *modelSource) handOut(n *node, limit int) []payment.Delivery {
	var deliveries []payment.Delivery
	for _, m := range s.messages {
		if m.acked || time.Now().Before(m.again) || len(deliveries) == limit {
			continue
		}
		if !m.again.IsZero() {
			s.w.count("redelivery")
		}
		m.again = time.Now().Add(ackWait)
		m.acked = s.w.flaws.acksEarly
		d := m.delivery
		d.Ack = func() error { return s.ack(n, m) }
		deliveries = append(deliveries, d)
	}
	return deliveries
}

// ack is accepted however late it comes; some are lost.
func (s *modelSource) ack(n *node, m *message) error {
	if n.dead.Load() || s.w.chance("ack "+n.name) < 0.05 {
		return errDead
	}
	s.w.locked(func() {
		m.acked = true
		s.w.checkKept(m.delivery)
	})
	return nil
}

// waiting gives the request with an id that nobody has acknowledged.
func (s *modelSource) waiting(id payment.ID) *payment.Request {
	for _, m := range s.messages {
		if !m.acked && !m.delivery.Conflict && m.delivery.Request.ID == id {
			return &m.delivery.Request
		}
	}
	return nil
}

func (s *modelSource) empty() bool {
	return !slices.ContainsFunc(s.messages, func(m *message) bool { return !m.acked })
}
