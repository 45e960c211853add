package buffer

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"

	"github.com/paybuf/paybuf/buffer/journal"
	"github.com/paybuf/paybuf/payment"
)

// The first byte of a journal record.
const (
	kindReceipt = 'R' // then the request as it went to the stream
	kindBatch   = 'B' // then the list of a batch as it went to the stream
	kindVoid    = 'V' // then fingerprint and id of a request that was answered 409
	// kindWithdrawn is for a receipt whose request was refused for want of room or of
	// an answer: then fingerprint, mark (8 bytes, big endian) and id. The same body may
	// be accepted at the same time or later, with a receipt of another mark.
	kindWithdrawn = 'W'
	kindConflict  = 'C' // then a request that was answered 409, as it went on record
)

// receipt is a journal record, read back: of a request, or of a batch's list.
type receipt struct {
	request  payment.Request
	batch    payment.BatchID // "" if it is of a request
	mark     int64           // of the Put
	conflict bool            // of a request that was answered 409
	body     []byte
}

// voidKey names receipts that do not count: those of one body for one payment, of
// any Put or of the one with the mark.
type voidKey struct {
	id          payment.ID
	fingerprint payment.Fingerprint
	mark        int64 // 0 for any
}

func (kept receipt) key() voidKey {
	return voidKey{kept.request.ID, kept.request.Fingerprint(), kept.mark}
}

// voids are the keys of what does not count, with the segment that says so.
type voids map[voidKey]uint64

func (v voids) has(kept receipt) bool {
	if len(v) == 0 || kept.batch != "" || kept.conflict {
		return false
	}
	key := kept.key()
	_, withdrawn := v[key]
	key.mark = 0
	_, refused := v[key]
	return refused || (withdrawn && kept.mark != 0)
}

// encodeReceipt gives a request's journal record of a kind, and its message as a
// part of it: they are the same bytes but for the first.
func encodeReceipt(kind byte, request payment.Request, mark int64) (record, body []byte) {
	record = appendRequest(append(make([]byte, 0, requestBytesFirst), kind), request, mark)
	return record, record[1:]
}

func batchRecord(body []byte) []byte {
	return append(append(make([]byte, 0, len(body)+1), kindBatch), body...)
}

// record is how the journal keeps the key.
func (key voidKey) record() []byte {
	record := append([]byte{kindVoid}, key.fingerprint[:]...)
	if key.mark != 0 {
		record[0] = kindWithdrawn
		record = binary.BigEndian.AppendUint64(record, uint64(key.mark)) //nolint:gosec // bits, either way
	}
	return append(record, key.id...)
}

// parseVoid reads what record has written, behind the kind.
func parseVoid(kind byte, rest []byte) (*voidKey, error) {
	var key voidKey
	n := copy(key.fingerprint[:], rest)
	if rest = rest[n:]; kind == kindWithdrawn && len(rest) >= 8 {
		key.mark = int64(binary.BigEndian.Uint64(rest)) //nolint:gosec // bits, either way
		rest = rest[8:]
	}
	if _, err := payment.ParseID(string(rest)); err != nil {
		return nil, fmt.Errorf("void record: %w", err)
	}
	key.id = payment.ID(rest)
	return &key, nil
}

// isVoidRecord and mayHaveKey spare a start that looks for few of very many
// receipts the reading of all.
func isVoidRecord(payload []byte) bool {
	return len(payload) > 0 && (payload[0] == kindVoid || payload[0] == kindWithdrawn)
}

func mayHaveKey(payload []byte) bool { return bytes.Contains(payload, []byte(keyHashMember)) }

// parseRecord reads a record: a receipt, or what it voids.
func parseRecord(payload []byte) (receipt, *voidKey, error) {
	if len(payload) == 0 {
		return receipt{}, nil, errors.New("empty record")
	}
	rest := payload[1:]
	switch payload[0] {
	case kindReceipt:
		request, mark, err := decodeMarked(rest)
		return receipt{request: request, mark: mark, body: rest}, nil, err
	case kindBatch:
		batch, err := decodeBatch(rest)
		return receipt{batch: batch.ID, body: rest}, nil, err
	case kindConflict:
		request, err := decode(rest)
		return receipt{request: request, conflict: true, body: rest}, nil, err
	case kindVoid, kindWithdrawn:
		key, err := parseVoid(payload[0], rest)
		return receipt{}, key, err
	}
	return receipt{}, nil, fmt.Errorf("record of unknown kind %q", payload[0])
}

// openJournal opens this node's journal, nil if durability does not need one.
func openJournal(cfg Config) (*journal.Journal, error) {
	if cfg.Durability == StreamOnly {
		return nil, nil //nolint:nilnil // no journal is a legal choice
	}
	if cfg.JournalDir == "" {
		return nil, &payment.Error{
			Code:   payment.CodeConfig,
			Detail: fmt.Sprintf("the durability %s needs a directory for the journal", cfg.Durability),
		}
	}
	j, err := journal.Open(journal.Config{
		Dir: cfg.JournalDir, SegmentBytes: cfg.JournalSegmentBytes, BytesMax: cfg.JournalBytesMax, Logger: cfg.Logger,
	})
	if err != nil {
		return nil, fmt.Errorf("journal %s: %w", cfg.JournalDir, err)
	}
	return j, nil
}

// refusalOf tells what the journal's error, if there is one, means for a request.
func refusalOf(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, journal.ErrFull), errors.Is(err, journal.ErrNoSpace), errors.Is(err, journal.ErrBusy):
		return &roomError{fmt.Errorf("journal: %w", err)}
	}
	return fmt.Errorf("journal: %w", err)
}

// keep makes a record durable on this node.
func (b *Buffer) keep(ctx context.Context, shard *Shard, record []byte) error {
	ctx, cancel := context.WithTimeoutCause(ctx, b.cfg.PutTimeout, errPutTimeout)
	defer cancel()
	if err := refusalOf(b.journal.Append(ctx, record)); err != nil {
		return b.refusal(shard, err)
	}
	return nil
}

// voidReceipt makes it durable that a body was refused.
func (b *Buffer) voidReceipt(ctx context.Context, shard *Shard, request payment.Request) error {
	if b.journal == nil {
		return nil
	}
	key := voidKey{id: request.ID, fingerprint: request.Fingerprint()}
	if err := b.keep(ctx, shard, key.record()); err != nil {
		return err
	}
	b.audit.void(key, b.newestSegment())
	return nil
}

// newestSegment may be one too young for what was just written, which only has it
// kept longer.
func (b *Buffer) newestSegment() uint64 {
	newest := uint64(0)
	for _, segment := range b.journal.Segments() {
		newest = segment.Number
	}
	return newest
}

// withdraw makes the receipt of a Put void that gave its client no receipt, so that
// no repair publishes it in front of a body that is accepted later. It does not
// wait: if this process dies before the journal has it, the receipt is one that
// nobody was told of.
func (b *Buffer) withdraw(p putting) {
	if b.journal == nil {
		return
	}
	key := voidKey{p.request.ID, p.fingerprint, p.mark}
	b.audit.void(key, b.newestSegment()+1) // neither record need be written yet
	if err := b.journal.Enqueue(key.record(), func(error) {}); err != nil {
		b.cfg.Logger.Debug("withdraw a receipt", slog.Any("error", err)) // the journal's own trouble is told elsewhere
	}
}
