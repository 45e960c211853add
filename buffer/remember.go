package buffer

import (
	"context"
	"log/slog"
	"slices"
	"time"

	"github.com/paybuf/paybuf/buffer/journal"
)

// rememberBytesMax bounds what a start reads of the journal: it holds about as
// many receipts as there are recent ids.
const rememberBytesMax = 96 << 20

// writesBehind tells that the stream acknowledges what it has not written yet.
func (c Config) writesBehind() bool { return c.InProcess != nil && c.Durability != StreamOnly }

// tailMargin is how much older than the newest message of the stream a receipt may
// be whose message is missing. A server of our own process has our clock, and a
// request that was accepted was stored by both within PutTimeout.
func (c Config) tailMargin() time.Duration {
	if c.InProcess != nil {
		return c.PutTimeout
	}
	return clockMargin
}

// remember fills the recent ids with those of the journal before anything is put.
// A stream that acknowledges ahead of its writing, or that is not waited for, may
// not know them after a crash; a repetition is told from a first request all the
// same. What cannot be read is not remembered, and the audit reports it.
func (b *Buffer) remember(ctx context.Context) {
	if b.journal == nil || (!b.cfg.writesBehind() && b.cfg.Durability != JournalOnly) {
		return
	}
	now := time.Now()
	window := now.Add(-b.cfg.DedupWindow)
	// What the stream may have lost is on its way to it, however old it is.
	tail, err := b.streamEnd(ctx)
	if err != nil {
		b.cfg.Logger.Warn("find the end of the streams", slog.Any("error", err))
		tail = window
	}
	tail = tail.Add(-b.cfg.tailMargin())
	since := tail // the stream knows what is older
	if b.cfg.Durability == JournalOnly && window.Before(tail) {
		since = window
	}
	var recently []uint64
	bytes := int64(0)
	for _, segment := range slices.Backward(b.journal.Segments()) {
		if bytes += segment.Bytes; bytes > rememberBytesMax || segment.SealedAt.Before(since) {
			break
		}
		recently = append(recently, segment.Number)
	}
	// All that is void first: a withdrawal may stand before its receipt.
	void := voids{}
	b.readAll(ctx, recently, func(record journal.Record) {
		if !isVoidRecord(record.Payload) {
			return
		}
		if _, key, err := parseRecord(record.Payload); err == nil {
			void[*key] = 0
		}
	})
	b.readAll(ctx, recently, func(record journal.Record) {
		switch {
		case record.At.Before(since):
		case record.At.Before(tail):
			b.recall(record, void, record.At)
		default:
			b.recall(record, void, now) // a whole window from now on
		}
	})
}

// readAll reads segments, the last first.
func (b *Buffer) readAll(ctx context.Context, segments []uint64, take func(journal.Record)) {
	for _, number := range slices.Backward(segments) {
		err := b.journal.Read(ctx, number, func(record journal.Record) error {
			take(record)
			return nil
		})
		if err != nil {
			b.cfg.Logger.Warn("read the journal for repetitions", slog.Uint64("segment", number), slog.Any("error", err))
		}
	}
}

// recall takes in one record: of several receipts with one id the first counts.
func (b *Buffer) recall(record journal.Record, void voids, at time.Time) {
	kept, key, err := parseRecord(record.Payload)
	if err != nil || key != nil || kept.batch != "" || kept.conflict || void.has(kept) {
		return
	}
	if _, known := b.recent.find(kept.request.ID); !known {
		b.recent.addAt(kept.request, stored{fingerprint: kept.request.Fingerprint(), kept: true}, at)
	}
}
