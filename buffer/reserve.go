package buffer

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/paybuf/paybuf/payment"
)

const (
	// followsHeader makes the stream refuse a message unless the last one of its
	// subject has the sequence that it names.
	followsHeader = "Nats-Expected-Last-Subject-Sequence"
	// codeWrongLastSequence is nats-server's for that refusal. A message that
	// competes with another one under way is refused by 10164 instead, which says
	// nothing about how that will end, so it is sent again.
	codeWrongLastSequence = 10071

	// followsNone is for the first message of a subject. What has expired no
	// longer counts, what was deleted does: its marker is a message.
	followsNone = "0"

	// bindTriesMax bounds how often an entry may go while it is looked at.
	bindTriesMax  = 5
	keyRetryAfter = time.Second
)

var (
	errUnsettled    = errors.New("the idempotency key's entry came and went")
	errTailNotBound = errors.New("the idempotency keys are still being restored from the journal")
)

// held is a binding that the bucket has.
type held struct {
	binding
	at time.Time // of storing, by the server's clock
}

// Reserve binds the request's idempotency key to its payment and its fingerprint,
// before the payment is stored. If the key is bound to them already, known is
// true and first is the request with its first time of acceptance: Put then gives
// the first answer again, or stores what a crash has left out. The error is
// CodeKeyReused if the key belongs to anything else, CodeKeyInUse while another
// node may still be storing the payment, else one of Put's. Whether this node is
// still at it, the caller knows.
func (b *Buffer) Reserve(ctx context.Context, request payment.Request) (first payment.Request, known bool, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, b.cfg.PutTimeout, errPutTimeout)
	defer cancel()
	if err := b.awaitBindings(ctx); err != nil {
		return payment.Request{}, false, unavailable(err)
	}
	if err := b.mayPut(request); err != nil {
		b.countRefusal(err)
		return payment.Request{}, false, err
	}
	mine := bindingOf(request, b.bindings.nextID())
	first = request
	bound, err := b.bind(ctx, request.KeyHash, mine)
	switch {
	case err != nil:
		return payment.Request{}, false, err
	case bound.by == mine.by:
		return first, false, nil
	case bound.payment != mine.payment || bound.fingerprint != mine.fingerprint:
		return payment.Request{}, false, &payment.Error{
			Code:   payment.CodeKeyReused,
			Detail: "this idempotency key was sent before with another request; give each request a key of its own",
		}
	}
	if err := b.checkUnderWay(ctx, bound); err != nil {
		return payment.Request{}, false, err
	}
	first.AcceptedAt = bound.acceptedAt
	return first, true, nil
}

// awaitBindings waits for what the journal knows of keys that the bucket lost.
func (b *Buffer) awaitBindings(ctx context.Context) error {
	if b.journal == nil {
		return nil
	}
	select {
	case <-b.bindings.whole:
		return nil
	case <-ctx.Done():
		return errors.Join(errTailNotBound, context.Cause(ctx))
	}
}

// bind stores a binding unless the key has one, and gives the one that it has
// then. Of a try that was stored and whose acknowledgement was lost, the resent
// one finds itself.
func (b *Buffer) bind(ctx context.Context, key payment.KeyHash, mine binding) (held, error) {
	body, err := mine.encode()
	if err != nil {
		return held{}, err
	}
	try := message{subject: bindingPrefix + string(key), id: mine.by, body: body, follows: followsNone}
	for range bindTriesMax {
		stored, err := b.store(ctx, b.shardOf(mine.payment), try)
		if err == nil && !stored.taken {
			return held{binding: mine}, nil
		}
		if err != nil && !isFull(err) {
			return held{}, err
		}
		// A server that is full may say so before it looks whether it has the key.
		entry, readErr := b.bindings.bucket.read(ctx, wanted{LastOf: try.subject, fresh: true})
		switch {
		case readErr == nil && len(entry.Data) > 0:
			bound, err := decodeBinding(entry.Data)
			return held{binding: bound, at: entry.Time}, err
		case readErr == nil: // the marker of a deletion
			try.follows = strconv.FormatUint(entry.Sequence, 10)
		case errors.Is(readErr, jetstream.ErrMsgNotFound): // expired
			try.follows = followsNone
		default:
			return held{}, unavailable(fmt.Errorf("read an idempotency key: %w", readErr))
		}
		if err != nil {
			return held{}, keysFull(err)
		}
	}
	return held{}, unavailable(errUnsettled)
}

// checkUnderWay tells a request that another node is storing from one that a
// crash has ended. Times are the server's, so that no clock of ours matters.
func (b *Buffer) checkUnderWay(ctx context.Context, bound held) error {
	node, _, _ := strings.Cut(bound.by, ".")
	if node == "" || node == b.bindings.node {
		return nil
	}
	info, err := b.bindings.bucket.stream.Info(ctx)
	if err != nil {
		return unavailable(fmt.Errorf("the age of an idempotency key: %w", err))
	}
	if info.TimeStamp.Sub(bound.at) >= b.cfg.PutTimeout {
		return nil
	}
	_, stored, err := b.Peek(ctx, bound.payment)
	if err != nil || stored {
		return err
	}
	return &payment.Error{
		Code:       payment.CodeKeyInUse,
		Detail:     "the first request with this idempotency key is still under way; send it again later",
		RetryAfter: keyRetryAfter,
	}
}

// keysFull turns what a full bucket has made of a request into words about keys.
// One whose fate is open stays so.
func keysFull(err error) error {
	if code, _ := payment.CodeOf(err); code != payment.CodeBufferFull {
		return err
	}
	return &payment.Error{
		Code:       payment.CodeBufferFull,
		Detail:     "there is no room for another idempotency key at the moment: send the request again later, or without the key",
		RetryAfter: retryAfterMax,
		Cause:      err,
	}
}
