package processor

import (
	"context"
	"errors"
	"log/slog"
	"sync"

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
	calls    chan struct{} // one per call of the payer
	fresh    places        // for claimed payments
	due      places        // for payments taken over, so that neither starves the other
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
	return &Processor{
		sources:  sources,
		ledger:   ledger,
		payer:    payer,
		cfg:      cfg,
		log:      cfg.Logger,
		policy:   newPolicy(cfg, payer.Traits()),
		breaker:  newBreaker(cfg),
		calls:    make(chan struct{}, cfg.Concurrency),
		fresh:    newPlaces(2 * cfg.Concurrency),
		due:      newPlaces(cfg.Concurrency),
		outcomes: make(chan payment.Outcome, 3*cfg.Concurrency),
		wake:     make(chan struct{}, 1),
	}, nil
}

// Run works until ctx ends, then takes nothing new on, waits StopTimeout for the
// calls in flight, writes their outcomes and returns. What it could not finish
// is found by its lease.
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

	p.finish(cancelCalls)
	close(p.outcomes)
	drained := make(chan struct{})
	go func() { settler.Wait(); close(drained) }()
	bounded, cancel := context.WithTimeout(settling, p.cfg.StopTimeout)
	defer cancel()
	select {
	case <-drained:
	case <-bounded.Done(): // the ledger does not answer; the leases will tell
		stopSettling()
		<-drained
	}
}

// finish waits for the calls in flight, and cuts off those that take too long.
func (p *Processor) finish(cancelCalls context.CancelCauseFunc) {
	done := make(chan struct{})
	go func() { p.workers.Wait(); close(done) }()
	ctx, cancel := context.WithTimeout(context.Background(), p.cfg.StopTimeout)
	defer cancel()
	select {
	case <-done:
	case <-ctx.Done():
		cancelCalls(errStopped)
		<-done
	}
}

// places bounds work that was taken on and is not settled yet.
type places chan struct{}

func newPlaces(n int) places { return make(places, n) }

// take waits for one place and takes up to limit; 0 when ctx ends.
func (p places) take(ctx context.Context, limit int) int {
	select {
	case p <- struct{}{}:
	case <-ctx.Done():
		return 0
	}
	for n := 1; n < limit; n++ {
		select {
		case p <- struct{}{}:
		default:
			return n
		}
	}
	return limit
}

func (p places) release(n int) {
	for range n {
		<-p
	}
}
