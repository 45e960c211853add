package processor

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/paybuf/paybuf/payment"
)

// errStopped is the cause of a call that a graceful stop did not wait for.
var errStopped = errors.New("the processor is stopping")

// Processor drains its sources. Build it with New, run it with Run.
type Processor struct {
	sources []Source
	ledger  Ledger
	payer   Payer
	cfg     Config
	log     *slog.Logger

	policy   policy
	breaker  *breaker
	gate     *gate
	fresh    *places // for claimed payments
	due      *places // for payments taken over
	outcomes chan payment.Outcome
	wake     chan struct{} // there may be due work before the next poll
	counts   counters

	workers sync.WaitGroup
}

// New builds a processor that reads all sources. Its error names a setting that
// cannot work.
func New(sources []Source, ledger Ledger, payer Payer, cfg Config) (*Processor, error) {
	cfg = cfg.withDefaults()
	if err := cfg.Check(); err != nil {
		return nil, err
	}
	if err := checkTraits(payer); err != nil {
		return nil, err
	}
	p := &Processor{
		sources:  sources,
		ledger:   ledger,
		payer:    payer,
		cfg:      cfg,
		log:      cfg.Logger,
		policy:   newPolicy(cfg, payer.Traits()),
		breaker:  newBreaker(cfg),
		gate:     newGate(cfg),
		outcomes: make(chan payment.Outcome, (1+roundsMax)*cfg.Concurrency),
		wake:     make(chan struct{}, 1),
	}
	p.fresh, p.due = newPlaces(p.roomFresh), newPlaces(p.roomDue)
	return p, nil
}

// Run works until ctx ends, then takes nothing new on, waits a moment for the
// ledger to say what was taken on and StopTimeout for the calls in flight, writes
// their outcomes and returns. What it could not finish is found by its lease.
func (p *Processor) Run(ctx context.Context) {
	calls, cancelCalls := context.WithCancelCause(context.WithoutCancel(ctx))
	defer cancelCalls(nil)
	settling, stopSettling := context.WithCancel(context.WithoutCancel(ctx))
	defer stopSettling()

	var takers, settler sync.WaitGroup
	settler.Go(func() { p.settleLoop(settling) })
	for _, source := range p.sources {
		takers.Go(func() { p.intakeLoop(ctx, calls, source) })
	}
	takers.Go(func() { p.dueLoop(ctx, calls) })
	takers.Wait()

	called, written := make(chan struct{}), make(chan struct{})
	go func() { p.workers.Wait(); close(called) }()
	if !endsWithin(p.cfg.StopTimeout, called) {
		cancelCalls(errStopped)
	}
	// Workers may wait for room in the queue of outcomes, and then end only with the
	// writing of these.
	go func() { <-called; close(p.outcomes); settler.Wait(); close(written) }()
	if !endsWithin(p.cfg.StopTimeout, written) {
		stopSettling() // the ledger does not answer; the leases will tell
	}
	<-written
}

// endsWithin waits for the end of something, so long at most.
func endsWithin(limit time.Duration, ended <-chan struct{}) bool {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-ended:
		return true
	case <-timer.C:
		return false
	}
}
