package buffer

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/paybuf/paybuf/payment"
)

// lateAnswer is what the stream said of a request that was accepted before.
type lateAnswer struct {
	putting
	stored ack
}

// lateAnswerTo takes the stream's word on a request that was accepted without it.
// If too much of that waits to be looked at, it is left alone: the first body is
// paid all the same, and the record of the other is lost.
func (b *Buffer) lateAnswerTo(p putting) func(ack) {
	return func(stored ack) {
		p.account.add(stored, p.size)
		if !stored.Duplicate {
			return
		}
		select {
		case b.late <- lateAnswer{p, stored}:
		default:
			b.cfg.Logger.Warn("too many repetitions to look at; a second body may not be on record",
				slog.String("payment_id", string(p.request.ID)))
		}
	}
}

// runLate finds out whether requests that the stream knew before had another body.
func (b *Buffer) runLate(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case answer := <-b.late:
			if err := b.settleLate(ctx, answer); err != nil {
				b.cfg.Logger.Warn("look at a repetition", slog.Any("error", err))
			}
		}
	}
}

func (b *Buffer) settleLate(ctx context.Context, answer lateAnswer) error {
	ctx, cancel := context.WithTimeoutCause(ctx, b.cfg.PutTimeout, errPutTimeout)
	defer cancel()
	_, err := b.putRepeated(ctx, answer.putting, answer.stored)
	if code, _ := payment.CodeOf(err); err == nil || code == payment.CodeOrderConflict {
		return nil // the difference is on record
	}
	return fmt.Errorf("%s: %w", answer.request.ID, err)
}
