package simulator

import (
	"context"
	"sync"
	"time"
)

// Engine is a simulated payer. It is safe for concurrent use.
type Engine struct {
	opts      Options
	book      *book
	ledger    *ledger
	undecided *queue
	workers   workers
	closing   chan struct{} // closed by Close: ends waits and hangs

	mu     sync.Mutex
	closed bool
	tasks  sync.WaitGroup // whatever must end before the ledger closes
}

// Open reads the ledger back and gives a payer that goes on where it ended: it
// knows its charges, its keys and what is still pending. An error is a
// *payment.Error with CodeConfig about an option, or tells what is wrong with
// the ledger.
func Open(opts Options) (*Engine, error) {
	opts, err := opts.withDefaults()
	if err != nil {
		return nil, err
	}
	e := &Engine{
		opts:      opts,
		book:      newBook(opts),
		undecided: newQueue(),
		workers:   newWorkers(opts.Capacity),
		closing:   make(chan struct{}),
	}
	memory := newMemory(e.book)
	if e.ledger, err = openLedger(opts.Ledger, memory.add); err != nil {
		return nil, err
	}
	for _, op := range memory.undecided() {
		e.undecided.push(decision{op: op, at: op.at.Add(opts.PendingFor)})
	}
	e.tasks.Go(e.decidePending)
	return e, nil
}

// Close ends all waits and hangs without an answer, writes what is under way and
// closes the ledger. Sends that come later are refused; what is pending stays so
// until the ledger is opened again. It may be called while a server still runs
// Handler, and more than once.
func (e *Engine) Close() error {
	e.mu.Lock()
	if !e.closed {
		e.closed = true
		close(e.closing)
	}
	e.mu.Unlock()
	e.tasks.Wait()
	return e.ledger.close()
}

// Summary counts all charges in the ledger, and sends and look-ups since Open.
func (e *Engine) Summary() Summary { return e.book.summary() }

// enter registers a task that Close waits for, unless it is too late; leave ends
// it.
func (e *Engine) enter() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return false
	}
	e.tasks.Add(1)
	return true
}

func (e *Engine) leave() { e.tasks.Done() }

// send is one send of an order. It does not stop at the end of ctx, except to
// hang: a payer charges for a client that has left, too.
func (e *Engine) send(ctx context.Context, o order) reply {
	if !e.enter() {
		return reply{kind: replyClosed}
	}
	defer e.leave()
	p := e.opts.planSend(o.reference, e.book.countSend(o.reference))
	if o.declines {
		p.status = declined
	}
	switch e.workers.begin(e.opts.RefuseOver, e.closing) {
	case turnRefused:
		return reply{kind: replyRateLimited}
	case turnClosed:
		return reply{kind: replyClosed}
	case turnCame:
	}
	defer e.workers.leave()
	if p.fault != noFault {
		e.book.countFault()
	}
	if !e.sleep(p.wait) {
		return reply{kind: replyClosed}
	}
	switch p.fault {
	case faultUnavailable:
		return reply{kind: replyUnavailable}
	case faultRateLimited:
		return reply{kind: replyRateLimited}
	case faultErrorBefore:
		return reply{kind: replyError}
	case faultResetBefore:
		return reply{kind: replyReset}
	case faultHang:
		if !e.opts.Faults.HangCharges {
			return e.hang(ctx)
		}
	case faultErrorUsed:
		e.book.keepError(o)
		return reply{kind: replyError}
	case noFault, faultErrorAfter, faultResetAfter, faultWrongAmount, faultGarbage, faultErrorKept, faultInProgress:
	}
	return e.spoil(ctx, o, e.work(o, p), p.fault)
}

// work does what a payer does with an order: at most one charge per key.
func (e *Engine) work(o order, p plan) reply {
	op, met := e.book.begin(o)
	switch met {
	case errorKept:
		return reply{kind: replyError}
	case keyReused:
		return reply{kind: replyKeyReused}
	case inProgress:
		return reply{kind: replyInProgress}
	case replayed:
		return reply{kind: replyCharge, op: *op, status: op.first, amount: op.money.Minor(), replayed: true}
	case begun:
	}
	var visibleAt time.Time
	if p.late > 0 {
		visibleAt = op.at.Add(p.late)
	}
	if err := e.write(op, p.status, op.at, visibleAt); err != nil {
		e.book.abandon(op)
		return reply{kind: replyError}
	}
	seen := e.book.finish(op, p.status, visibleAt)
	if p.status == pending {
		e.undecided.push(decision{op: op, at: op.at.Add(e.opts.PendingFor)})
	}
	if p.double && p.status == succeeded {
		e.chargeAgain(o)
	}
	return reply{kind: replyCharge, op: seen, status: p.status, amount: seen.money.Minor()}
}

// chargeAgain is the payer's own mistake: a second charge that nobody asked for. If
// it cannot be written it was not made.
func (e *Engine) chargeAgain(o order) {
	o.key = "" // it was not sent by anybody
	op, _ := e.book.begin(o)
	if e.write(op, succeeded, op.at, time.Time{}) != nil {
		e.book.abandon(op)
		return
	}
	e.book.finish(op, succeeded, time.Time{})
}

// spoil loses or falsifies the answer to what has been done.
func (e *Engine) spoil(ctx context.Context, o order, r reply, f fault) reply {
	switch f {
	case faultErrorKept:
		e.book.keepError(o)
		return reply{kind: replyError}
	case faultInProgress:
		return reply{kind: replyInProgress}
	case faultErrorAfter:
		return reply{kind: replyError}
	case faultResetAfter:
		return reply{kind: replyReset}
	case faultHang:
		return e.hang(ctx)
	case faultGarbage:
		return reply{kind: replyGarbage}
	case faultWrongAmount:
		r.amount++
	case noFault, faultUnavailable, faultRateLimited, faultErrorBefore, faultErrorUsed, faultResetBefore:
	}
	return r
}

// find is one look-up.
func (e *Engine) find(ctx context.Context, reference string) reply {
	if !e.enter() {
		return reply{kind: replyClosed}
	}
	defer e.leave()
	if e.opts.NoLookup {
		return reply{kind: replyNoLookup}
	}
	switch e.opts.planLookup(reference, e.book.countLookup(reference)) { //nolint:exhaustive // a look-up has three faults
	case faultUnavailable:
		return reply{kind: replyUnavailable}
	case faultErrorBefore:
		return reply{kind: replyError}
	case faultHang:
		return e.hang(ctx)
	}
	op, found := e.book.find(reference)
	if !found {
		return reply{kind: replyNotFound}
	}
	return reply{kind: replyCharge, op: op, status: op.status, amount: op.money.Minor()}
}

// write puts an operation's status into the ledger and waits for the disk.
func (e *Engine) write(op *operation, became status, at, visibleAt time.Time) error {
	line, err := op.entry(became, at, visibleAt).line()
	if err != nil {
		return err
	}
	b, err := e.ledger.add(line)
	if err != nil {
		return err
	}
	return b.wait()
}

// hang gives no answer until the client leaves, the time-out or Close.
func (e *Engine) hang(ctx context.Context) reply {
	timeout := time.NewTimer(e.opts.Faults.HangTimeout)
	defer timeout.Stop()
	select {
	case <-timeout.C:
	case <-ctx.Done():
	case <-e.closing:
	}
	return reply{kind: replyHung}
}

// sleep waits, or tells that the Engine closes.
func (e *Engine) sleep(d time.Duration) bool {
	if d <= 0 {
		return true
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-e.closing:
		return false
	}
}
