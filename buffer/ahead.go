package buffer

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/paybuf/paybuf/payment"
)

// lateAnswer is what the stream said of a request that was accepted before.
type lateAnswer struct {
	shard   *Shard
	request payment.Request
	stored  ack
}

// putAhead accepts a request as soon as the journal has it. What the stream makes
// of it is looked at afterwards; if nothing can be sent now, the audit publishes
// it when its time has come.
func (b *Buffer) putAhead(
	ctx context.Context, shard *Shard, request payment.Request, m message,
) (payment.Receipt, error) {
	m.ahead = true
	m.late = func(stored ack) { b.noteLate(lateAnswer{shard, request, stored}) }
	_, err := b.store(ctx, shard, m)
	if errors.Is(err, errNoPlace) {
		err = b.keep(ctx, shard, m.receipt)
	}
	if err != nil {
		return payment.Receipt{}, err
	}
	b.recent.add(request, request.Fingerprint())
	return b.receipt(request, false), nil
}

// noteLate hands on what must be looked at. If too much of that waits it is left
// alone: the first body is paid all the same, and the record of the other is lost.
func (b *Buffer) noteLate(answer lateAnswer) {
	if !answer.stored.Duplicate || answer.stored.resent {
		return
	}
	select {
	case b.late <- answer:
	default:
		b.cfg.Logger.Warn("too many repetitions to look at; a second body may not be on record",
			slog.String("payment_id", string(answer.request.ID)))
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
	_, err := b.putRepeated(ctx, answer.shard, answer.request, answer.stored)
	if code, _ := payment.CodeOf(err); err == nil || code == payment.CodeOrderConflict {
		return nil // the difference is on record
	}
	return fmt.Errorf("%s: %w", answer.request.ID, err)
}
