package buffer

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/paybuf/paybuf/payment"
)

const (
	batchPrefix = "paybuf.batch."
	// putsAtOnceMax is how many requests of one PutAll are under way at a time, so
	// that one batch leaves places for everybody else.
	putsAtOnceMax = 256
	// placePause is how long a request of a batch waits before it looks for a place
	// again.
	placePause = 5 * time.Millisecond
)

// PutAll is Put for several requests, with an answer to each in their order. Of
// requests with the same id the first is put first: what repeats it is a
// duplicate or a conflict, whatever else is under way. If the first has no
// receipt for lack of room or of an answer, the others are not put either, so
// that no later body can take the place of an earlier one.
//
// Requests wait for a place as long as one Put may take: a batch must not be
// refused in part for being larger than what is free at the moment.
func (b *Buffer) PutAll(ctx context.Context, requests []payment.Request) []payment.PutResult {
	all := puttingAll{buffer: b, results: make([]payment.PutResult, len(requests))}
	firsts := make(map[payment.ID]int, len(requests))
	var repetitions []int
	for i, request := range requests {
		if _, again := firsts[request.ID]; again {
			repetitions = append(repetitions, i)
			continue
		}
		firsts[request.ID] = i
		all.put(ctx, i, request)
	}
	all.finish(ctx)
	for _, i := range repetitions {
		if first := all.results[firsts[requests[i].ID]]; isPassing(first.Err) {
			all.results[i].Err = first.Err
			continue
		}
		all.put(ctx, i, requests[i])
		all.finish(ctx)
	}
	return all.results
}

// puttingAll puts requests of different ids in one go: they go out together, so
// that they share their burst and their sync, and are waited for afterwards.
type puttingAll struct {
	buffer   *Buffer
	results  []payment.PutResult
	underWay []indexedPut // the oldest first
}

type indexedPut struct {
	putting
	index int
}

func (all *puttingAll) put(ctx context.Context, index int, request payment.Request) {
	result := &all.results[index]
	p := all.buffer.putting(request)
	if p.known {
		result.Receipt, result.Err = all.buffer.putKnown(ctx, p)
		return
	}
	if len(all.underWay) == putsAtOnceMax {
		all.finishOldest(ctx)
	}
	err := all.buffer.withPlace(ctx, func() error {
		err := all.buffer.begin(ctx, &p)
		if lacksPlace(err) && len(all.underWay) > 0 {
			all.finishOldest(ctx) // which gives a place back
			err = all.buffer.begin(ctx, &p)
		}
		return err
	})
	if err != nil {
		result.Receipt, result.Err = all.buffer.finish(ctx, p, err)
		return
	}
	all.underWay = append(all.underWay, indexedPut{p, index})
}

func (all *puttingAll) finish(ctx context.Context) {
	for len(all.underWay) > 0 {
		all.finishOldest(ctx)
	}
}

func (all *puttingAll) finishOldest(ctx context.Context) {
	oldest := all.underWay[0]
	all.underWay = all.underWay[1:]
	result := &all.results[oldest.index]
	result.Receipt, result.Err = all.buffer.finish(ctx, oldest.putting, nil)
}

// withPlace repeats what was refused for having no place among those in flight.
func (b *Buffer) withPlace(ctx context.Context, put func() error) error {
	ctx, cancel := context.WithTimeoutCause(ctx, b.cfg.PutTimeout, errNoPlace)
	defer cancel()
	for {
		err := put()
		if !lacksPlace(err) || ctx.Err() != nil || (b.cfg.Durability == JournalOnly && errors.Is(err, errNoPlace)) {
			return err // with the journal alone, nobody needs a place
		}
		pause(ctx, placePause)
	}
}

// lacksPlace tells a refusal that ends with one of the requests in flight.
func lacksPlace(err error) bool {
	return errors.Is(err, errNoPlace) || errors.Is(err, errTenantPlaces)
}

// isPassing tells an error after which the same request is to be sent again.
func isPassing(err error) bool {
	if err == nil {
		return false
	}
	code, _ := payment.CodeOf(err)
	return code != payment.CodeOrderConflict
}

// PutBatch stores the list of a batch, as Put stores a request. One that is known
// already is not stored again. Its errors are CodeBufferFull and
// CodeBufferUnavailable.
func (b *Buffer) PutBatch(ctx context.Context, batch payment.Batch) error {
	body, err := encodeBatch(batch)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, b.cfg.PutTimeout, errPutTimeout)
	defer cancel()
	shard := b.shardOf(payment.ID(batch.ID))
	m := shard.batchMessage(batch.ID, body, batchRecord(body))
	m.ahead = b.cfg.Durability == JournalOnly
	err = b.withPlace(ctx, func() error { return b.tryStoreFor(ctx, batch.Tenant, shard, m) })
	if m.ahead && errors.Is(err, errNoPlace) {
		err = b.keep(ctx, shard, m.receipt)
	}
	if err != nil {
		b.countRefusal(err)
	}
	return err
}

// batchMessage needs no comparison of bodies when its id is known: the id is
// derived from the body.
func (s *Shard) batchMessage(id payment.BatchID, body, record []byte) message {
	return message{subject: s.batchSubject(id), id: string(id), body: body, receipt: record}
}

func (s *Shard) batchSubject(id payment.BatchID) string {
	return batchPrefix + s.number + "." + string(id)
}

// PeekBatch looks for a batch's list on the stream, as Peek does for a payment.
func (b *Buffer) PeekBatch(ctx context.Context, id payment.BatchID) (payment.Batch, bool, error) {
	shard := b.shardOf(payment.ID(id))
	stored, err := shard.read(ctx, wanted{LastOf: shard.batchSubject(id)})
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return payment.Batch{}, false, nil
	}
	if err != nil {
		return payment.Batch{}, false, unavailable(fmt.Errorf("look for %s: %w", id, err))
	}
	batch, err := decodeBatch(stored.Data)
	if err != nil {
		return payment.Batch{}, false, fmt.Errorf("message of %s: %w", id, err)
	}
	return batch, true, nil
}
