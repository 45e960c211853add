package buffer

import (
	"context"
	"log/slog"
	"slices"
	"time"

	"github.com/paybuf/paybuf/buffer/journal"
	"github.com/paybuf/paybuf/payment"
)

// rememberBytesMax bounds what a start reads of the journal: it holds about as
// many receipts as there are recent ids.
const rememberBytesMax = 96 << 20

// writesBehind tells that the stream acknowledges what it has not written yet.
func (c Config) writesBehind() bool { return c.InProcess != nil && c.Durability != StreamOnly }

// remember fills the recent ids with those of the journal before anything is put.
// A stream that acknowledges ahead of its writing, or that is not waited for, may
// not know them after a crash; a repetition is told from a first request all the
// same. What cannot be read is not remembered, and the audit reports it.
func (b *Buffer) remember(ctx context.Context) {
	if b.journal == nil || (!b.cfg.writesBehind() && b.cfg.Durability != JournalOnly) {
		return
	}
	since := time.Now().Add(-b.cfg.DedupWindow)
	var recently []uint64
	bytes := int64(0)
	for _, segment := range slices.Backward(b.journal.Segments()) {
		if bytes += segment.Bytes; bytes > rememberBytesMax || segment.SealedAt.Before(since) {
			break
		}
		recently = append(recently, segment.Number)
	}
	for _, number := range slices.Backward(recently) {
		err := b.journal.Read(ctx, number, func(record journal.Record) error {
			if !record.At.Before(since) {
				b.recall(record)
			}
			return nil
		})
		if err != nil {
			b.cfg.Logger.Warn("read the journal for repetitions", slog.Uint64("segment", number), slog.Any("error", err))
		}
	}
}

// recall takes in one record: of several receipts with one id the first counts,
// unless it was refused afterwards.
func (b *Buffer) recall(record journal.Record) {
	kept, void, err := parseRecord(record.Payload)
	switch {
	case err != nil, void == nil && kept.request.ID == "": // unreadable, or a batch
	case void != nil:
		if first, known := b.recent.find(void.id); known && first.fingerprint == void.fingerprint {
			b.recent.forget(void.id)
		}
	default:
		b.recallFirst(kept.request, record.At)
	}
}

func (b *Buffer) recallFirst(request payment.Request, at time.Time) {
	if _, known := b.recent.find(request.ID); !known {
		b.recent.addAt(request, request.Fingerprint(), at)
	}
}
