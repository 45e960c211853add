package processor

import (
	"context"
	"log/slog"
	"time"

	"github.com/paybuf/paybuf/internal/fault"
	"github.com/paybuf/paybuf/payment"
)

// dueLoop takes over what waits in the ledger: retries, look-ups, and payments
// whose worker is gone. It asks on a schedule, and at once when there was more
// than it could take or when an outcome is due again immediately.
func (p *Processor) dueLoop(ctx, calls context.Context) {
	failures := 0
	for ctx.Err() == nil {
		limit := p.breaker.wait(ctx, batchMax)
		taken := 0
		if limit > 0 {
			taken = p.due.take(ctx, limit)
		}
		if taken == 0 {
			return
		}
		leaseEnds := time.Now().Add(p.cfg.Lease)
		works, err := p.lease(ctx, taken)
		if len(works) > 0 {
			fault.At(fault.ProcessorLeased)
		}
		p.due.release(taken - len(works))
		for _, work := range works {
			p.start(calls, work, leaseEnds, p.due)
		}
		switch {
		case err != nil && ctx.Err() == nil:
			failures++
			p.log.Warn("take over due payments", slog.Any("error", err))
			pause(ctx, ledgerWait(failures))
		case len(works) < taken:
			failures = 0
			p.sleepUntilDue(ctx)
		}
	}
}

func (p *Processor) lease(ctx context.Context, limit int) ([]payment.Work, error) {
	taking, let := lingering(ctx)
	defer let()
	return p.ledger.Lease(taking, limit, p.cfg.Lease)
}

func (p *Processor) sleepUntilDue(ctx context.Context) {
	timer := time.NewTimer(p.cfg.DuePoll)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-p.wake:
	case <-ctx.Done():
	}
}

// wakeDue has dueLoop look again when the first of these outcomes is due, if that
// is before it would by itself. Only the ledger knows what others have due.
func (p *Processor) wakeDue(outcomes []payment.Outcome) {
	first := p.cfg.DuePoll
	for _, outcome := range outcomes {
		if !outcome.To.Final() && outcome.To != payment.Parked {
			first = min(first, outcome.NextIn)
		}
	}
	switch {
	case first <= 0:
		p.lookAgain()
	case first < p.cfg.DuePoll:
		time.AfterFunc(first, p.lookAgain)
	}
}

func (p *Processor) lookAgain() {
	select {
	case p.wake <- struct{}{}:
	default:
	}
}
