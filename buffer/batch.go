package buffer

import (
	"context"
	"errors"
	"fmt"
	"sync"
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
	results := make([]payment.PutResult, len(requests))
	chains := make(chan []int)
	var wg sync.WaitGroup
	for range min(len(requests), putsAtOnceMax, b.cfg.InFlightMax) {
		wg.Go(func() {
			for chain := range chains {
				b.putChain(ctx, requests, results, chain)
			}
		})
	}
	for _, chain := range chainsOf(requests) {
		chains <- chain
	}
	close(chains)
	wg.Wait()
	return results
}

// chainsOf gives the positions of the requests of each id, in order.
func chainsOf(requests []payment.Request) [][]int {
	chains := make([][]int, 0, len(requests))
	chainOf := make(map[payment.ID]int, len(requests))
	for i, request := range requests {
		at, known := chainOf[request.ID]
		if !known {
			at = len(chains)
			chainOf[request.ID] = at
			chains = append(chains, nil)
		}
		chains[at] = append(chains[at], i)
	}
	return chains
}

// putChain puts the requests of one id, one after the other.
func (b *Buffer) putChain(ctx context.Context, requests []payment.Request, results []payment.PutResult, chain []int) {
	for n, i := range chain {
		if n > 0 && isPassing(results[chain[0]].Err) {
			results[i].Err = results[chain[0]].Err
			continue
		}
		results[i].Err = b.withPlace(ctx, func() (err error) {
			results[i].Receipt, err = b.Put(ctx, requests[i])
			return err
		})
	}
}

// withPlace repeats what was refused for having no place among those in flight.
func (b *Buffer) withPlace(ctx context.Context, put func() error) error {
	ctx, cancel := context.WithTimeoutCause(ctx, b.cfg.PutTimeout, errNoPlace)
	defer cancel()
	for {
		err := put()
		if !errors.Is(err, errNoPlace) || ctx.Err() != nil {
			return err
		}
		pause(ctx, placePause)
	}
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
	return b.withPlace(ctx, func() error {
		_, err := b.store(ctx, shard, shard.batchMessage(batch.ID, body, batchRecord(body)))
		return err
	})
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
