package buffer

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/paybuf/paybuf/buffer/journal"
	"github.com/paybuf/paybuf/internal/fault"
	"github.com/paybuf/paybuf/payment"
)

// clockMargin is how far the clocks of this node and of the NATS servers may
// differ. More costs only a needless repetition, which the ledger recognises.
const clockMargin = 10 * time.Second

// AuditStats tell how the journal stands.
type AuditStats struct {
	Segments int           // not yet audited, the active one included
	Bytes    int64         // of these
	Records  int64         // in these; too few until those of an earlier run were read
	Oldest   time.Duration // age of the oldest
	Repairs  int64         // receipts published again, since the start
	Failures int64         // rounds that could not be finished
}

// auditor sees to it that each receipt of this node's journal becomes a row of
// the ledger, whatever the stream has lost, and removes segments that have.
type auditor struct {
	buffer  *Buffer
	log     *slog.Logger
	resumed chan time.Time // holds from where on the streams may have lost something

	mu     sync.Mutex
	voids  voids
	counts AuditStats
}

func newAuditor(b *Buffer) *auditor {
	return &auditor{buffer: b, log: b.cfg.Logger, resumed: make(chan time.Time, 1), voids: voids{}}
}

// resume has the journal's tail published again, as at a start: the server may have
// lost what came after the end of its streams.
func (a *auditor) resume(end time.Time) {
	select {
	case a.resumed <- end:
	default: // an earlier loss waits to be seen to, and its tail is longer
	}
}

// void remembers that receipts must never be published: of a body that was
// answered 409, or of a request that was refused for want of room.
func (a *auditor) void(key voidKey, segment uint64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.voids[key] = max(a.voids[key], segment)
}

func (a *auditor) isVoid(kept receipt) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.voids.has(kept)
}

// forgetVoids drops what a removed segment said: the receipts that it was about
// were in the same segment or an earlier one.
func (a *auditor) forgetVoids(removed uint64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	maps.DeleteFunc(a.voids, func(_ voidKey, segment uint64) bool { return segment <= removed })
}

// Audit gives the state of this node's journal.
func (b *Buffer) Audit() AuditStats {
	a := b.audit
	a.mu.Lock()
	stats := a.counts
	a.mu.Unlock()
	if b.journal == nil {
		return stats
	}
	for i, segment := range b.journal.Segments() {
		if i == 0 {
			stats.Oldest = time.Since(segment.CreatedAt)
		}
		stats.Segments++
		stats.Bytes += segment.Bytes
		stats.Records += segment.Records
	}
	return stats
}

// run audits until ctx ends. It begins with what an earlier process left: which
// bodies are void, and which receipts the stream, which ended at a time, may have
// lost the tail with.
func (a *auditor) run(ctx context.Context, end time.Time) {
	a.retry(ctx, "bind the journal's idempotency keys", a.rebindTail) // Reserve waits for it
	a.retry(ctx, "read the journal", a.loadVoids)
	a.retry(ctx, "publish the journal's tail", func(ctx context.Context) error { return a.publishTail(ctx, end) })
	ticker := time.NewTicker(a.buffer.cfg.AuditInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case end := <-a.resumed:
			a.retry(ctx, "publish the journal's tail after a reconnection", func(ctx context.Context) error {
				return errors.Join(a.rotate(), a.publishTail(ctx, end))
			})
			continue
		case <-ticker.C:
		}
		if err := a.round(ctx); err != nil && ctx.Err() == nil {
			a.count(func(c *AuditStats) { c.Failures++ })
			a.log.Warn("audit of the journal; trying on", slog.Any("error", err))
		}
	}
}

func (a *auditor) retry(ctx context.Context, what string, do func(context.Context) error) {
	for ctx.Err() == nil {
		err := do(ctx)
		if err == nil {
			return
		}
		a.log.Warn(what, slog.Any("error", err))
		pause(ctx, a.buffer.cfg.AuditInterval)
	}
}

func (a *auditor) count(change func(*AuditStats)) {
	a.mu.Lock()
	defer a.mu.Unlock()
	change(&a.counts)
}

func (a *auditor) loadVoids(ctx context.Context) error {
	for _, segment := range a.buffer.journal.Segments() {
		err := a.buffer.journal.Read(ctx, segment.Number, func(record journal.Record) error {
			if !isVoidRecord(record.Payload) {
				return nil
			}
			if _, void, err := parseRecord(record.Payload); err == nil {
				a.void(*void, segment.Number)
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// publishTail publishes the receipts again that are younger than all that the
// stream had at a time: a power cut may have taken them. What the stream lost
// elsewhere is found by the rounds.
func (a *auditor) publishTail(ctx context.Context, until time.Time) error {
	last, err := a.buffer.streamEnd(ctx)
	if err != nil {
		return err
	}
	if until.Before(last) {
		last = until
	}
	tail := republisher{auditor: a}
	for _, segment := range a.buffer.journal.Segments() {
		if segment.Active || segment.SealedAt.Before(last.Add(-a.buffer.cfg.tailMargin())) {
			continue
		}
		err := a.buffer.journal.Read(ctx, segment.Number, func(record journal.Record) error {
			if record.At.Before(last.Add(-a.buffer.cfg.tailMargin())) {
				return nil
			}
			return tail.add(ctx, record)
		})
		if err != nil {
			return err
		}
	}
	return tail.finish(ctx)
}

// round checks the segments that are old enough for every receipt in them to
// have a row, the oldest first.
func (a *auditor) round(ctx context.Context) error {
	frontier, err := a.buffer.frontier(ctx, time.Now())
	if err != nil {
		return err
	}
	mayRemove := true // in order: a younger segment may say that an older one's body is void
	for _, segment := range a.buffer.journal.Segments() {
		if segment.Active {
			if segment.CreatedAt.Before(frontier) {
				return a.rotate()
			}
			return nil
		}
		if !segment.SealedAt.Before(frontier) {
			return nil
		}
		missing, err := a.auditSegment(ctx, segment.Number)
		if err != nil {
			return fmt.Errorf("segment %d: %w", segment.Number, err)
		}
		if missing > 0 { // it is audited again when they have been processed
			a.log.Error("the stream had lost accepted payments; they were published again",
				slog.Uint64("segment", segment.Number), slog.Int("payments", missing))
			mayRemove = false
		}
		if !mayRemove {
			continue
		}
		fault.At(fault.BufferAudited)
		if err := a.buffer.journal.Remove(segment.Number); err != nil {
			return fmt.Errorf("segment %d: %w", segment.Number, err)
		}
		fault.At(fault.BufferRemoved)
		a.forgetVoids(segment.Number)
	}
	return nil
}

// rotate lets a quiet node's receipts be audited too.
func (a *auditor) rotate() error {
	if err := a.buffer.journal.Rotate(); err != nil {
		return fmt.Errorf("rotate: %w", err)
	}
	return nil
}

// auditSegment publishes each receipt that has no row, and counts them.
func (a *auditor) auditSegment(ctx context.Context, number uint64) (missing int, err error) {
	keys := rebinding{auditor: a}
	payments := make(map[payment.ID][]journal.Record, rowsIDsMax)
	batches := map[payment.BatchID][]journal.Record{}
	flush := func() error {
		n, err := auditGroup(ctx, a, rowsSubject, payments)
		lists, batchErr := auditGroup(ctx, a, batchRowsSubject, batches)
		missing += n + lists
		return errors.Join(err, batchErr)
	}
	err = a.buffer.journal.Read(ctx, number, func(record journal.Record) error {
		kept, void, err := parseRecord(record.Payload)
		if err != nil {
			a.log.Error("unreadable receipt", slog.Uint64("segment", number), slog.Any("error", err))
			return nil
		}
		if err := keys.add(ctx, kept.request, record.At); err != nil {
			return err
		}
		if void != nil {
			a.void(*void, number)
			return nil
		}
		if kept.conflict || a.isVoid(kept) {
			return nil
		}
		record.Payload = append([]byte(nil), record.Payload...)
		if kept.batch != "" {
			batches[kept.batch] = append(batches[kept.batch], record)
		} else {
			payments[kept.request.ID] = append(payments[kept.request.ID], record)
		}
		if len(payments) >= rowsIDsMax || len(batches) >= batchListsMax {
			return flush()
		}
		return nil
	})
	return missing, errors.Join(err, flush(), keys.flush(ctx))
}

// auditGroup asks about the receipts of some ids, publishes those without a row,
// and empties the group.
func auditGroup[T ~string](
	ctx context.Context, a *auditor, subject string, group map[T][]journal.Record,
) (int, error) {
	if len(group) == 0 {
		return 0, nil
	}
	defer clear(group)
	missing, err := askRows(ctx, a.buffer, subject, slices.Collect(maps.Keys(group)))
	if err != nil {
		return 0, err
	}
	lost := republisher{auditor: a}
	for _, id := range missing {
		for _, record := range group[id] {
			if err := lost.add(ctx, record); err != nil {
				return len(missing), err
			}
		}
	}
	return len(missing), lost.finish(ctx)
}

// frontier is the moment before which every receipt must have a row by now: all
// that the streams still hold unclaimed is younger.
func (b *Buffer) frontier(ctx context.Context, now time.Time) (time.Time, error) {
	frontier := now.Add(-b.cfg.AuditAfter)
	for _, shard := range b.shards {
		oldest, waiting, err := shard.oldestUnclaimed(ctx)
		if err != nil {
			return time.Time{}, err
		}
		if before := oldest.Add(-clockMargin); waiting && before.Before(frontier) {
			frontier = before
		}
	}
	return frontier, nil
}

// oldestUnclaimed gives the time of the first message that no processor has
// acknowledged, and whether there is one.
func (s *Shard) oldestUnclaimed(ctx context.Context) (time.Time, bool, error) {
	consumer, err := s.consumer.Info(ctx)
	if err != nil {
		return time.Time{}, false, fmt.Errorf("consumer of %s: %w", s.name, err)
	}
	if consumer.NumPending == 0 && consumer.NumAckPending == 0 {
		return time.Time{}, false, nil
	}
	next, err := s.read(ctx, wanted{Sequence: consumer.AckFloor.Stream + 1, NextOf: "paybuf.>"})
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return time.Time{}, false, nil
	}
	if err != nil {
		return time.Time{}, false, fmt.Errorf("oldest of %s: %w", s.name, err)
	}
	return next.Time, true, nil
}

// streamEnd is the time of the newest message, of the stream that ends first;
// zero if one is empty.
func (b *Buffer) streamEnd(ctx context.Context) (time.Time, error) {
	var end time.Time
	for i, shard := range b.shards {
		info, err := shard.stream.Info(ctx)
		if err != nil {
			return time.Time{}, fmt.Errorf("stream %s: %w", shard.name, err)
		}
		if last := info.State.LastTime; i == 0 || last.Before(end) {
			end = last
		}
	}
	return end, nil
}
