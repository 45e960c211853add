package webhook

import (
	"context"
	"log/slog"
	"slices"

	"github.com/paybuf/paybuf/internal/fault"
	"github.com/paybuf/paybuf/payment"
)

// record writes results, many at once, until all are sent and written, or ctx ends.
func (s *Sender) record(ctx context.Context, sent <-chan struct{}) {
	for {
		last := false
		select {
		case <-s.results:
			pause(ctx, recordLinger) // for those that come together
		case <-sent:
			last = true
		}
		for {
			s.mu.Lock()
			batch := s.roster.batch(recordMax)
			s.mu.Unlock()
			if len(batch) == 0 {
				break
			}
			written := s.write(ctx, batch)
			if missing := len(batch) - len(written); missing > 0 {
				s.log.Warn("results of webhooks were not written; they are sent again", slog.Int("results", missing))
			}
			s.mu.Lock()
			s.roster.recorded(written)
			s.mu.Unlock()
			signal(s.hungry)
		}
		if last {
			return
		}
	}
}

// write persists in writing while the outbox fails, and gives what was written. What
// was not is sent again when another lease has begun.
func (s *Sender) write(ctx context.Context, batch []payment.DeliveryResult) []payment.DeliveryResult {
	for failures := 0; ; failures++ {
		bounded, done := context.WithTimeoutCause(ctx, outboxTimeout, errOutboxSlow)
		err := s.outbox.Record(bounded, s.worker, batch, s.cfg.DisableAfter)
		done()
		if err == nil {
			fault.At(fault.WebhookRecorded)
			return batch
		}
		if code, _ := payment.CodeOf(err); code == payment.CodeInvalid {
			return s.writeApart(ctx, batch, err)
		}
		if failures == 0 {
			s.fails(ctx, "record results", err)
		} else {
			s.counts.outboxErrors.Add(1)
		}
		if !pause(ctx, min(outboxBackoff<<min(failures, doublingsMax), outboxWaitMax)) {
			return nil
		}
	}
}

// writeApart looks for the one result that can never be stored, and stores what it can
// of that.
func (s *Sender) writeApart(ctx context.Context, batch []payment.DeliveryResult, cause error) []payment.DeliveryResult {
	if half := len(batch) / 2; half > 0 {
		return slices.Concat(s.write(ctx, batch[:half]), s.write(ctx, batch[half:]))
	}
	plain := batch[0]
	if plain.Attempt.Excerpt == "" {
		s.log.Error("the result of a webhook cannot be stored", slog.String("endpoint", string(plain.Attempt.Endpoint)),
			slog.Int64("sequence", plain.Attempt.Sequence), slog.Any("error", cause))
		return nil
	}
	plain.Attempt.Excerpt = ""
	return s.write(ctx, []payment.DeliveryResult{plain})
}

// sweep clears the outbox now and then.
func (s *Sender) sweep(ctx context.Context) {
	for pause(ctx, jittered(sweepEvery)) {
		for {
			bounded, done := context.WithTimeoutCause(ctx, sweepTimeout, errOutboxSlow)
			changed, err := s.janitor.SweepDeliveries(bounded, s.cfg.Keep)
			done()
			if s.fails(ctx, "clear deliveries away", err) || changed == 0 {
				break
			}
		}
	}
}
