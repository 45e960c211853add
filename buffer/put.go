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

// Put stores a request and returns once the stream has it. A request whose
// identity the stream already knows is not stored again: the receipt then holds
// the first one, and if that had another body the error is CodeOrderConflict and
// the difference is on record. CodeBufferFull and CodeBufferUnavailable come
// with a time after which to send the request again.
func (b *Buffer) Put(ctx context.Context, request payment.Request) (payment.Receipt, error) {
	body, err := encode(request)
	if err != nil {
		return payment.Receipt{}, err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, b.cfg.PutTimeout, errPutTimeout)
	defer cancel()
	shard := b.shardOf(request.ID)
	stored, err := b.store(ctx, shard, &message{
		subject: shard.intakeSubject(request.ID), id: string(request.ID), body: body,
	})
	if err != nil {
		return payment.Receipt{}, err
	}
	if !stored.Duplicate {
		return payment.Receipt{First: request}, nil
	}
	first, err := shard.first(ctx, request.ID, stored.Sequence)
	switch {
	case errors.Is(err, jetstream.ErrMsgNotFound):
		return b.putForgotten(ctx, shard, request, body)
	case err != nil:
		return payment.Receipt{}, unavailable(err)
	case first.Fingerprint() != request.Fingerprint():
		return payment.Receipt{}, b.putConflict(ctx, shard, request, body)
	}
	return payment.Receipt{First: first, Duplicate: true}, nil
}

// putForgotten handles a repetition whose first message the stream no longer
// has, because an operator purged it or a file was damaged. Storing it under
// another id is safe: the ledger knows the order, or else this is what heals it.
func (b *Buffer) putForgotten(
	ctx context.Context, shard *Shard, request payment.Request, body []byte,
) (payment.Receipt, error) {
	_, err := b.store(ctx, shard, &message{
		subject: shard.intakeSubject(request.ID), id: string(request.ID) + "." + nuid.Next(), body: body,
	})
	if err != nil {
		return payment.Receipt{}, err
	}
	return payment.Receipt{First: request, Duplicate: true}, nil
}

// putConflict puts a refused body on record. It goes by a subject of its own, so
// that no processor can take it for a payment even if the first is lost.
func (b *Buffer) putConflict(ctx context.Context, shard *Shard, request payment.Request, body []byte) error {
	fingerprint := request.Fingerprint()
	_, err := b.store(ctx, shard, &message{
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
// id each time, so that however often it was sent it is stored once.
func (b *Buffer) store(ctx context.Context, shard *Shard, m *message) (ack, error) {
	select {
	case b.pub.places <- struct{}{}:
		defer func() { <-b.pub.places }()
	default:
		return ack{}, shard.full(errNoPlace)
	}
	var last error
	for {
		result, err := b.sendOnce(ctx, *m)
		switch {
		case err == nil:
			return result, nil
		case isFull(err):
			return ack{}, shard.full(err)
		case ctx.Err() != nil:
			return ack{}, unavailable(errors.Join(err, last))
		}
		last = err
	}
}

// sendOnce waits for the answer to one sending, a bounded while. It takes a copy
// of the message, since an earlier sending may still sit in the queue.
func (b *Buffer) sendOnce(ctx context.Context, m message) (ack, error) {
	done := b.pub.send(ctx, &m)
	defer b.pub.forget(&m)
	timer := time.NewTimer(resendAfter)
	defer timer.Stop()
	select {
	case result := <-done:
		if result.err != nil && !isFull(result.err) {
			pause(ctx, refusedPause)
		}
		return result, result.err
	case <-timer.C:
		return ack{}, errPutTimeout
	case <-ctx.Done():
		return ack{}, context.Cause(ctx)
	}
}

func (s *Shard) intakeSubject(id payment.ID) string {
	return intakePrefix + s.number + "." + string(id)
}

// first reads the message that an acknowledgement named. A sequence may be
// reused after the stream lost its tail, so the message must be the right one.
func (s *Shard) first(ctx context.Context, id payment.ID, sequence uint64) (payment.Request, error) {
	stored, err := s.stream.GetMsg(ctx, sequence)
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
	stored, err := shard.stream.GetLastMsgForSubject(ctx, shard.intakeSubject(id))
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
		Detail:     "the buffer has no room at the moment; the request was not stored: send it again later",
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
