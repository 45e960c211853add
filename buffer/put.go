package buffer

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nuid"

	"github.com/paybuf/paybuf/payment"
)

// Errors of nats-server that mean "no room" (server/errors.json).
const (
	codeInsufficientResources = 10023
	codeStorageExceeded       = 10047
	codeStoreFailed           = 10077 // also: maximum bytes or messages exceeded
)

const (
	resendAfter   = time.Second            // without an answer, with the same id
	refusedPause  = 100 * time.Millisecond // after "no server", which comes at once
	retryAfterMin = time.Second
)

var (
	errPutTimeout = errors.New("the stream did not answer in time")
	errNoPlace    = errors.New("too many requests wait for the stream")
)

// Put stores a request and returns once both this node's journal and the stream
// have it, which happens side by side. A request whose identity is known is not
// stored again: the receipt then holds the first one, and if that had another
// body the error is CodeOrderConflict and the difference is on record.
// CodeTenantShare, CodeBufferFull and CodeBufferUnavailable come with a time after
// which to send the request again.
func (b *Buffer) Put(ctx context.Context, request payment.Request) (payment.Receipt, error) {
	body, err := encode(request)
	if err != nil {
		return payment.Receipt{}, err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, b.cfg.PutTimeout, errPutTimeout)
	defer cancel()
	shard, fingerprint := b.shardOf(request.ID), request.Fingerprint()
	if first, known := b.recent.find(request.ID); known {
		if first.fingerprint != fingerprint {
			return payment.Receipt{}, b.putConflict(ctx, shard, request, body)
		}
		request.AcceptedAt = first.acceptedAt
		return b.receipt(request, true), nil
	}
	stored, err := b.storeFor(ctx, request.Tenant, shard, message{
		subject: shard.intakeSubject(request.ID), id: string(request.ID), body: body, receipt: receiptRecord(body),
	})
	if err != nil {
		return payment.Receipt{}, err
	}
	if !stored.Duplicate {
		b.recent.add(request, fingerprint)
		return b.receipt(request, false), nil
	}
	return b.putRepeated(ctx, shard, request, body, stored)
}

func (b *Buffer) receipt(first payment.Request, duplicate bool) payment.Receipt {
	return payment.Receipt{First: first, Duplicate: duplicate, Durability: string(b.cfg.Durability)}
}

// putRepeated answers a request whose id the stream knows by the message that
// has it.
func (b *Buffer) putRepeated(
	ctx context.Context, shard *Shard, request payment.Request, body []byte, known ack,
) (payment.Receipt, error) {
	first, err := shard.first(ctx, request.ID, known.Sequence)
	switch {
	case errors.Is(err, jetstream.ErrMsgNotFound):
		return b.putForgotten(ctx, shard, request, body)
	case err != nil:
		return payment.Receipt{}, unavailable(err)
	}
	b.recent.add(first, first.Fingerprint())
	if first.Fingerprint() == request.Fingerprint() {
		// What was sent twice may be known from its own first sending.
		ours := known.resent && first.AcceptedAt.Equal(request.AcceptedAt)
		return b.receipt(first, !ours), nil
	}
	// The journal has this body by now, and it will never be paid: say so there,
	// before the client hears of it, so that no repair ever publishes it.
	if err := b.voidReceipt(ctx, shard, request); err != nil {
		return payment.Receipt{}, err
	}
	return payment.Receipt{}, b.putConflict(ctx, shard, request, body)
}

// putForgotten handles a repetition whose first message the stream no longer
// has, because an operator purged it or a file was damaged. Storing it under
// another id is safe: the ledger knows the order, or else this is what heals it.
func (b *Buffer) putForgotten(
	ctx context.Context, shard *Shard, request payment.Request, body []byte,
) (payment.Receipt, error) {
	_, err := b.storeFor(ctx, request.Tenant, shard, message{
		subject: shard.intakeSubject(request.ID), id: string(request.ID) + "." + nuid.Next(), body: body,
	})
	if err != nil {
		return payment.Receipt{}, err
	}
	return b.receipt(request, true), nil
}

// putConflict puts a refused body on record. It goes by a subject of its own, so
// that no processor can take it for a payment even if the first is lost.
func (b *Buffer) putConflict(ctx context.Context, shard *Shard, request payment.Request, body []byte) error {
	fingerprint := request.Fingerprint()
	_, err := b.storeFor(ctx, request.Tenant, shard, message{
		subject: conflictPrefix + shard.number + "." + string(request.ID),
		id:      string(request.ID) + "." + hex.EncodeToString(fingerprint[:]),
		body:    body,
	})
	if err != nil {
		return err
	}
	return &payment.Error{
		Code:      payment.CodeOrderConflict,
		Detail:    "this order number was submitted before with another body; the first one counts",
		PaymentID: request.ID,
	}
}

// store sends one message until the stream has answered for it, with the same
// id each time, so that however often it was sent it is stored once. Its receipt
// is written while the first sending is under way.
func (b *Buffer) store(ctx context.Context, shard *Shard, m message) (ack, error) {
	select {
	case b.pub.places <- struct{}{}:
		defer func() { <-b.pub.places }()
	default:
		return ack{}, shard.full(errNoPlace)
	}
	var last error
	for {
		result, err := b.sendOnce(ctx, shard, m)
		switch {
		case err == nil:
			result.resent = last != nil
			return result, nil
		case isCoded(err):
			return ack{}, err
		case isFull(err) && !mayBeStored(last):
			return ack{}, shard.full(err)
		case isFull(err), ctx.Err() != nil, shard.health.failed():
			return ack{}, unavailable(errors.Join(err, last))
		}
		if !mayBeStored(last) {
			last = err
		}
		m.receipt = nil // it is kept already
	}
}

// mayBeStored tells whether a sending that ended with err left the request's fate
// open: only who was told that no server took it knows that it is not stored.
func mayBeStored(err error) bool {
	return err != nil && !errors.Is(err, errNoStream)
}

// sendOnce waits for the answer to one sending, a bounded while. It takes a copy
// of the message, since an earlier sending may still sit in the queue.
func (b *Buffer) sendOnce(ctx context.Context, shard *Shard, m message) (ack, error) {
	done := b.pub.send(ctx, &m)
	defer b.pub.forget(&m)
	if m.receipt != nil {
		if err := b.keepReceipt(ctx, shard, m.receipt); err != nil {
			return ack{}, err
		}
	}
	timer := time.NewTimer(resendAfter)
	defer timer.Stop()
	select {
	case result := <-done:
		if errors.Is(result.err, errNoStream) {
			shard.health.silent(m)
		}
		if result.err != nil && !isFull(result.err) {
			pause(ctx, refusedPause)
		}
		return result, result.err
	case <-timer.C:
		shard.health.silent(m)
		return ack{}, errPutTimeout
	case <-ctx.Done():
		if errors.Is(context.Cause(ctx), errPutTimeout) {
			shard.health.silent(m)
		}
		return ack{}, context.Cause(ctx)
	}
}

func isCoded(err error) bool {
	_, coded := errors.AsType[*payment.Error](err)
	return coded
}

func (s *Shard) intakeSubject(id payment.ID) string {
	return intakePrefix + s.number + "." + string(id)
}

// first reads the message that an acknowledgement named. A sequence may be
// reused after the stream lost its tail, so the message must be the right one.
func (s *Shard) first(ctx context.Context, id payment.ID, sequence uint64) (payment.Request, error) {
	stored, err := s.read(ctx, wanted{Sequence: sequence})
	if err != nil {
		return payment.Request{}, fmt.Errorf("read message %d: %w", sequence, err)
	}
	if stored.Subject != s.intakeSubject(id) {
		return payment.Request{}, fmt.Errorf("message %d is another payment: %w", sequence, jetstream.ErrMsgNotFound)
	}
	return decode(stored.Data)
}

// Peek looks for a payment on the stream. It may still be there when a processor
// has claimed it, so the ledger's word comes first.
func (b *Buffer) Peek(ctx context.Context, id payment.ID) (payment.Request, bool, error) {
	shard := b.shardOf(id)
	stored, err := shard.read(ctx, wanted{LastOf: shard.intakeSubject(id)})
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return payment.Request{}, false, nil
	}
	if err != nil {
		return payment.Request{}, false, unavailable(fmt.Errorf("look for %s: %w", id, err))
	}
	request, err := decode(stored.Data)
	if err != nil {
		return payment.Request{}, false, fmt.Errorf("message of %s: %w", id, err)
	}
	return request, true, nil
}

func (s *Shard) full(cause error) error {
	return &payment.Error{
		Code:       payment.CodeBufferFull,
		Detail:     "the buffer has no room at the moment and promises nothing: send the request again later",
		RetryAfter: s.gauge.roomIn(),
		Cause:      cause,
	}
}

func isFull(err error) bool {
	refused, ok := errors.AsType[*streamError](err)
	if !ok {
		return false
	}
	switch refused.Code {
	case codeInsufficientResources, codeStorageExceeded, codeStoreFailed:
		return true
	}
	return false
}

func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
