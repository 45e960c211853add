package processor

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/paybuf/paybuf/internal/fault"
	"github.com/paybuf/paybuf/payment"
)

// settleLoop writes outcomes, all that wait at a time, until the channel is
// closed and empty.
func (p *Processor) settleLoop(ctx context.Context) {
	batch := make([]payment.Outcome, 0, batchMax)
	for first := range p.outcomes {
		batch = append(batch[:0], first)
		p.settle(ctx, p.collect(batch))
	}
}

func (p *Processor) collect(batch []payment.Outcome) []payment.Outcome {
	for len(batch) < batchMax {
		select {
		case next, open := <-p.outcomes:
			if !open {
				return batch
			}
			batch = append(batch, next)
		default:
			return batch
		}
	}
	return batch
}

// settle writes a batch, however often it takes: an outcome that is not written
// costs a look-up later, which is slow, but never a second charge.
func (p *Processor) settle(ctx context.Context, batch []payment.Outcome) {
	fault.At(fault.ProcessorSettling)
	var settled int
	err := p.persist(ctx, "write outcomes", func(ctx context.Context) (err error) {
		settled, err = p.ledger.Settle(ctx, batch)
		return err
	})
	switch {
	case err == nil:
		fault.At(fault.ProcessorSettled)
		p.counts.settle(batch, settled)
		p.wakeDue(batch)
	case isInvalid(err) && len(batch) > 1:
		half := len(batch) / 2
		p.settle(ctx, batch[:half])
		p.settle(ctx, batch[half:])
	default:
		p.log.Error("outcomes were not written; their leases will bring them back",
			slog.Int("payments", len(batch)), slog.Any("error", err))
	}
}

// persist repeats a write of the ledger until it succeeds, can never succeed, or
// ctx ends. An outage is logged when it begins and when it is over.
func (p *Processor) persist(ctx context.Context, what string, write func(context.Context) error) error {
	for failures := 0; ; {
		err := write(ctx)
		switch {
		case err == nil:
			if failures > 0 {
				p.log.Info("the ledger is back", slog.String("task", what), slog.Int("failures", failures))
			}
			return nil
		case isInvalid(err):
			return err
		}
		if failures == 0 {
			p.log.Warn("the ledger fails; trying on", slog.String("task", what), slog.Any("error", err))
		}
		failures++
		p.counts.ledgerErrors.Add(1)
		if !pause(ctx, ledgerWait(failures)) {
			return errors.Join(context.Cause(ctx), err)
		}
	}
}

func ledgerWait(failures int) time.Duration {
	return min(ledgerBackoff<<min(failures-1, 10), ledgerWaitMax)
}

// isInvalid tells data that can never be stored from a ledger that fails.
func isInvalid(err error) bool {
	code, _ := payment.CodeOf(err)
	return code == payment.CodeInvalid
}
