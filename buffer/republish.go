package buffer

import (
	"context"
	"slices"

	"github.com/paybuf/paybuf/buffer/journal"
	"github.com/paybuf/paybuf/internal/fault"
	"github.com/paybuf/paybuf/payment"
)

// republishedAtOnceMax leaves places in flight for requests.
const republishedAtOnceMax = 256

// republisher stores receipts on the streams again, by the ids that they had, and
// in their order: what a stream has after all it calls a repetition.
type republisher struct {
	auditor  *auditor
	underWay []republished // the oldest first
}

type republished struct {
	shard *Shard
	sent  *sending
}

// add takes a receipt in. It waits only while too many are under way.
func (r *republisher) add(ctx context.Context, record journal.Record) error {
	kept, void, err := parseRecord(record.Payload)
	if err != nil || void != nil || r.auditor.isVoid(kept) {
		return nil //nolint:nilerr // the journal reports what it cannot read
	}
	b := r.auditor.buffer
	shard, m := b.messageOf(kept)
	if shard.health.failed() {
		return errStoresNothing
	}
	// Of two bodies the earlier must be there before the later is sent, whatever
	// becomes of its first sending.
	if slices.ContainsFunc(r.underWay, func(other republished) bool { return other.sent.subject == m.subject }) {
		if err := r.finish(ctx); err != nil {
			return err
		}
	}
	if len(r.underWay) == republishedAtOnceMax {
		if err := r.finishOldest(ctx); err != nil {
			return err
		}
	}
	m.health = &shard.health
	fault.At(fault.BufferRepublishing)
	sent, err := b.pub.send(m)
	if lacksPlace(err) && len(r.underWay) > 0 {
		if err := r.finishOldest(ctx); err != nil {
			return err
		}
		sent, err = b.pub.send(m)
	}
	if err != nil {
		return b.refusal(shard, err)
	}
	r.underWay = append(r.underWay, republished{shard, sent})
	return nil
}

// finish waits for all that is under way. Its error is the first.
func (r *republisher) finish(ctx context.Context) error {
	for len(r.underWay) > 0 {
		if err := r.finishOldest(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (r *republisher) finishOldest(ctx context.Context) error {
	oldest := r.underWay[0]
	r.underWay = r.underWay[1:]
	stored, err := r.auditor.buffer.await(ctx, oldest.shard, oldest.sent)
	if err != nil {
		return err
	}
	fault.At(fault.BufferRepublished)
	if !stored.Duplicate {
		r.auditor.count(func(c *AuditStats) { c.Repairs++ })
	}
	return nil
}

// messageOf is the message that a receipt was written beside. It shares no bytes
// with the receipt.
func (b *Buffer) messageOf(kept receipt) (*Shard, message) {
	body := append([]byte(nil), kept.body...)
	if kept.batch != "" {
		shard := b.shardOf(payment.ID(kept.batch))
		return shard, shard.batchMessage(kept.batch, body, nil)
	}
	id := kept.request.ID
	shard := b.shardOf(id)
	if kept.conflict {
		return shard, shard.conflictMessage(kept.request, body)
	}
	return shard, message{subject: shard.intakeSubject(id), id: string(id), body: body}
}
