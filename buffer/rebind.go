package buffer

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/paybuf/paybuf/buffer/journal"
	"github.com/paybuf/paybuf/payment"
)

const (
	rebindingMax  = 1000 // requests kept until they are bound together
	rebindersMax  = 64   // at once, so that they share their round trips
	rebindTimeout = 30 * time.Second
)

// rebinding binds the idempotency keys of receipts again, in groups. What is
// bound already stays as it is.
type rebinding struct {
	auditor  *auditor
	requests []payment.Request
}

// rebindTail binds the keys of receipts that are younger than all that the bucket
// has: a power cut may have taken them, or the bucket as a whole. What else it has
// lost the audit finds, as long as there are receipts.
func (a *auditor) rebindTail(ctx context.Context) error {
	keys := rebinding{auditor: a}
	since := a.buffer.bindings.end.Add(-clockMargin)
	for _, segment := range a.buffer.journal.Segments() {
		if segment.Active || segment.SealedAt.Before(since) {
			continue
		}
		err := a.buffer.journal.Read(ctx, segment.Number, func(record journal.Record) error {
			if record.At.Before(since) || !mayHaveKey(record.Payload) {
				return nil
			}
			kept, void, err := parseRecord(record.Payload)
			if err != nil || void != nil {
				return nil //nolint:nilerr // the audit reports what it cannot read
			}
			return keys.add(ctx, kept.request, record.At)
		})
		if err != nil {
			return err
		}
	}
	if err := keys.flush(ctx); err != nil {
		return err
	}
	close(a.buffer.bindings.whole)
	return nil
}

// add takes a request in that was received at a time, unless its key is older
// than keys get. A body that was refused has its key all the same.
func (r *rebinding) add(ctx context.Context, request payment.Request, at time.Time) error {
	if request.KeyHash == "" || time.Since(at) > r.auditor.buffer.cfg.IdempotencyTTL {
		return nil
	}
	r.requests = append(r.requests, request)
	if len(r.requests) < rebindingMax {
		return nil
	}
	return r.flush(ctx)
}

func (r *rebinding) flush(ctx context.Context) error {
	if len(r.requests) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeoutCause(ctx, rebindTimeout, errPutTimeout)
	defer cancel()
	var next, restored atomic.Int64
	var wg sync.WaitGroup
	failures := make([]error, min(rebindersMax, len(r.requests)))
	for worker := range failures {
		wg.Go(func() {
			for failures[worker] == nil {
				index := int(next.Add(1)) - 1
				if index >= len(r.requests) {
					return
				}
				fresh, err := r.auditor.buffer.rebind(ctx, r.requests[index])
				if failures[worker] = err; fresh {
					restored.Add(1)
				}
			}
		})
	}
	wg.Wait()
	r.requests = r.requests[:0]
	if n := restored.Load(); n > 0 {
		r.auditor.log.Warn("idempotency keys had been lost; they were bound again", slog.Int64("keys", n))
	}
	return errors.Join(failures...)
}

// rebind binds one key again and tells whether it was not bound. A bucket without
// room is no error: that must not keep payments from being audited.
func (b *Buffer) rebind(ctx context.Context, request payment.Request) (bool, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, b.cfg.PutTimeout, errPutTimeout)
	defer cancel()
	body, err := bindingOf(request, "").encode()
	if err != nil {
		return false, err
	}
	stored, err := b.store(ctx, b.shardOf(request.ID), message{
		subject: bindingPrefix + string(request.KeyHash), id: b.bindings.nextID(), body: body, follows: followsNone,
	})
	if isFull(err) {
		return false, nil
	}
	return err == nil && !stored.taken, err
}
