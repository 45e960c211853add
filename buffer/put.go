package buffer

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nuid"

	"github.com/paybuf/paybuf/internal/fault"
	"github.com/paybuf/paybuf/payment"
)

// Errors of nats-server that mean "no room" (server/errors.json).
const (
	codeInsufficientResources = 10023
	codeStorageExceeded       = 10047
	codeStoreFailed           = 10077 // also: maximum bytes or messages exceeded
)

const (
	retryAfterMin = time.Second
	// markMax keeps marks exact for readers that take JSON numbers for doubles.
	markMax = 1<<53 - 1
	// fullPause is how long a stream that was full is not tried again: what is
	// refused before it was tried leaves no receipt behind.
	fullPause = 100 * time.Millisecond
)

var errStreamFull = errors.New("the stream was full a moment ago")

// Put stores a request and returns once both this node's journal and the stream
// have it, which happens side by side, or whichever of them Config.Durability
// names. A request whose identity is known is not stored again: the receipt then
// holds the first one, and if that had another body the error is
// CodeOrderConflict and the difference is on record. CodeTenantShare,
// CodeBufferFull and CodeBufferUnavailable come with a time after which to send
// the request again.
func (b *Buffer) Put(ctx context.Context, request payment.Request) (payment.Receipt, error) {
	p := b.putting(request)
	if p.known {
		return b.putKnown(ctx, p)
	}
	err := b.begin(ctx, &p)
	return b.finish(ctx, p, err)
}

// putting is a request that is being put.
type putting struct {
	request     payment.Request
	shard       *Shard
	fingerprint payment.Fingerprint
	first       stored // if known
	known       bool   // stored by this process a moment ago
	tenant      *tenant
	account     *account
	mark        int64  // by which a message that was stored is known as this one
	record      []byte // for the journal
	size        load   // on the stream
	sent        *sending
}

func (b *Buffer) putting(request payment.Request) putting {
	p := putting{request: request, shard: b.shardOf(request.ID), fingerprint: request.Fingerprint()}
	p.tenant = b.tenants.find(request.Tenant)
	p.account = &p.tenant.accounts[p.shard.index]
	p.first, p.known = b.recent.find(request.ID)
	// What only others have a receipt of is stored here too before it is answered.
	p.known = p.known && (p.first.kept || p.first.fingerprint != p.fingerprint)
	return p
}

// putKnown answers a request that repeats what this process has stored.
func (b *Buffer) putKnown(ctx context.Context, p putting) (payment.Receipt, error) {
	if p.first.fingerprint != p.fingerprint {
		return payment.Receipt{}, b.putConflict(ctx, p.shard, p.request)
	}
	p.request.AcceptedAt = p.first.acceptedAt()
	return b.receipt(p.request, true), nil
}

// begin lets a request go out without waiting for anything. The error is that of
// admit or publisher.send, or ctx has ended; finish is called with it.
func (b *Buffer) begin(ctx context.Context, p *putting) error {
	if err := context.Cause(ctx); err != nil {
		return err
	}
	if err := b.admit(p.tenant, p.account, p.shard); err != nil {
		return err
	}
	var body []byte
	p.mark = 1 + rand.Int64N(markMax) //nolint:gosec // no secret: it only has to differ
	p.record, body = encodeReceipt(kindReceipt, p.request, p.mark)
	m := message{
		subject: p.shard.intakeSubject(p.request.ID), id: string(p.request.ID), body: body, receipt: p.record,
		health: &p.shard.health,
	}
	p.size = m.load()
	if b.cfg.Durability == JournalOnly {
		m.ahead, m.late = true, b.lateAnswerTo(*p)
	}
	var err error
	if p.sent, err = b.pub.send(m); err != nil {
		b.tenants.leave(p.tenant)
	}
	return err
}

// finish waits for what begin, which gave that error, has sent. Who gets no
// receipt, for whatever reason, was promised nothing.
func (b *Buffer) finish(ctx context.Context, p putting, err error) (payment.Receipt, error) {
	var stored ack
	switch {
	case err == nil:
		stored, err = b.await(ctx, p.shard, p.sent)
		b.tenants.leave(p.tenant)
	case errors.Is(err, errNoPlace) && b.cfg.Durability == JournalOnly:
		err = b.keep(ctx, p.shard, p.record) // the audit publishes it when its time has come
	default:
		err = b.refusal(p.shard, err)
		b.countRefusal(err)
		return payment.Receipt{}, err // nothing was written
	}
	if err != nil {
		b.countRefusal(err)
		fault.At(fault.BufferWithdrawing)
		b.withdraw(p)
		fault.At(fault.BufferWithdrawn)
		return payment.Receipt{}, err
	}
	if stored.Duplicate {
		receipt, err := b.putRepeated(ctx, p, stored)
		if isPassing(err) {
			b.withdraw(p)
		}
		return receipt, err
	}
	fault.At(fault.BufferStored)
	p.account.add(stored, p.size)
	b.recent.add(p.request, p.fingerprint, true)
	return b.receipt(p.request, false), nil
}

func (b *Buffer) receipt(first payment.Request, duplicate bool) payment.Receipt {
	return payment.Receipt{First: first, Duplicate: duplicate, Durability: string(b.cfg.Durability)}
}

// putRepeated answers a request whose id the stream knows by the message that
// has it.
func (b *Buffer) putRepeated(ctx context.Context, p putting, known ack) (payment.Receipt, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, b.cfg.PutTimeout, errPutTimeout)
	defer cancel()
	fault.At(fault.BufferRepeated)
	first, mark, err := p.shard.first(ctx, p.request.ID, known.Sequence)
	switch {
	case errors.Is(err, jetstream.ErrMsgNotFound):
		return b.putForgotten(ctx, p.shard, p.request)
	case err != nil:
		return payment.Receipt{}, unavailable(err)
	}
	same := first.Fingerprint() == p.fingerprint
	b.recent.add(first, first.Fingerprint(), same)
	if same {
		// What was sent twice may be known from its own first sending.
		return b.receipt(first, mark != p.mark), nil
	}
	// The journal has this body by now, and it will never be paid: say so there,
	// before the client hears of it, so that no repair ever publishes it.
	if err := b.voidReceipt(ctx, p.shard, p.request); err != nil {
		return payment.Receipt{}, err
	}
	fault.At(fault.BufferVoided)
	return payment.Receipt{}, b.putConflict(ctx, p.shard, p.request)
}

// putForgotten handles a repetition whose first message the stream no longer
// has, because an operator purged it or a file was damaged. Storing it under
// another id is safe: the ledger knows the order, or else this is what heals it.
func (b *Buffer) putForgotten(
	ctx context.Context, shard *Shard, request payment.Request,
) (payment.Receipt, error) {
	err := b.storeFor(ctx, request.Tenant, shard, message{
		subject: shard.intakeSubject(request.ID), id: string(request.ID) + "." + nuid.Next(), body: encode(request),
	})
	if err != nil {
		return payment.Receipt{}, err
	}
	return b.receipt(request, true), nil
}

// putConflict puts a refused body on record. It goes by a subject of its own, so
// that no processor can take it for a payment even if the first is lost.
func (b *Buffer) putConflict(ctx context.Context, shard *Shard, request payment.Request) error {
	record, body := encodeReceipt(kindConflict, request, 0)
	m := shard.conflictMessage(request, body)
	m.receipt, m.ahead = record, b.cfg.Durability == JournalOnly
	err := b.tryStoreFor(ctx, request.Tenant, shard, m)
	if m.ahead && errors.Is(err, errNoPlace) {
		err = b.keep(ctx, shard, record)
	}
	if err != nil {
		b.countRefusal(err)
		return err
	}
	fault.At(fault.BufferConflict)
	return &payment.Error{
		Code:      payment.CodeOrderConflict,
		Detail:    "this order number was submitted before with another body; the first one counts",
		PaymentID: request.ID,
	}
}

// store returns once the stream has answered for the message, which is sent with
// the same id each time, so that however often it was sent it is stored once; and
// once the journal has its receipt. It does not wait beyond PutTimeout.
func (b *Buffer) store(ctx context.Context, shard *Shard, m message) (ack, error) {
	if err := context.Cause(ctx); err != nil {
		return ack{}, unavailable(err)
	}
	m.health = shard.healthOf(m)
	sent, err := b.pub.send(m)
	if err != nil {
		return ack{}, b.refusal(shard, err)
	}
	return b.await(ctx, shard, sent)
}

// healthOf is the stream's for a message that goes to it, and not to a bucket.
func (s *Shard) healthOf(m message) *health {
	if strings.HasPrefix(m.subject, bindingPrefix) {
		return nil
	}
	return &s.health
}

// await waits for the end of a sending, or of ctx.
func (b *Buffer) await(ctx context.Context, shard *Shard, sent *sending) (ack, error) {
	select {
	case <-sent.done:
	case <-ctx.Done():
		return ack{}, unavailable(context.Cause(ctx))
	}
	result, err := sent.outcome()
	if err != nil && isFull(err) && sent.health != nil { // the stream itself, and no bucket
		shard.fullUntil.Store(time.Now().Add(fullPause).UnixNano())
	}
	if err != nil {
		return ack{}, b.refusal(shard, err)
	}
	return result, nil
}

// refusal tells a client whether its message is certainly not stored.
func (b *Buffer) refusal(shard *Shard, err error) error {
	if isCoded(err) {
		return err
	}
	if _, certain := errors.AsType[*roomError](err); certain || errors.Is(err, errNoPlace) {
		return shard.full(err)
	}
	return unavailable(err)
}

func isCoded(err error) bool {
	_, coded := errors.AsType[*payment.Error](err)
	return coded
}

// conflictMessage puts a body on record. It is known by its content.
func (s *Shard) conflictMessage(request payment.Request, body []byte) message {
	fingerprint := request.Fingerprint()
	return message{
		subject: conflictPrefix + s.number + "." + string(request.ID),
		id:      string(request.ID) + "." + hex.EncodeToString(fingerprint[:]),
		body:    body,
	}
}

func (s *Shard) intakeSubject(id payment.ID) string {
	return intakePrefix + s.number + "." + string(id)
}

// first reads the message that an acknowledgement named. A sequence may be
// reused after the stream lost its tail, so the message must be the right one.
func (s *Shard) first(ctx context.Context, id payment.ID, sequence uint64) (first payment.Request, mark int64, err error) {
	stored, err := s.read(ctx, wanted{Sequence: sequence})
	if err != nil {
		return payment.Request{}, 0, fmt.Errorf("read message %d: %w", sequence, err)
	}
	if stored.Subject != s.intakeSubject(id) {
		return payment.Request{}, 0, fmt.Errorf("message %d is another payment: %w", sequence, jetstream.ErrMsgNotFound)
	}
	return decodeMarked(stored.Data)
}

// Peek looks for a payment on the stream. It may still be there when a processor
// has claimed it, so the ledger's word comes first.
func (b *Buffer) Peek(ctx context.Context, id payment.ID) (payment.Request, bool, error) {
	shard := b.shardOf(id)
	stored, err := shard.read(ctx, wanted{LastOf: shard.intakeSubject(id)})
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return payment.Request{}, false, b.lost(id)
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

var errOnItsWay = errors.New("the stream has lost the message; the journal publishes it again")

// lost is why an id that the stream does not have is not unknown: this node's
// journal has accepted it, and the stream has lost it or has yet to get it.
func (b *Buffer) lost(id payment.ID) error {
	if first, known := b.recent.find(id); known && first.kept && b.journal != nil {
		return unavailable(fmt.Errorf("look for %s: %w", id, errOnItsWay))
	}
	return nil
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
