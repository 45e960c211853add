package buffer

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/paybuf/paybuf/buffer/journal"
	"github.com/paybuf/paybuf/payment"
)

// The first byte of a journal record.
const (
	kindReceipt = 'R' // then the request as it went to the stream
	kindBatch   = 'B' // then the list of a batch as it went to the stream
	kindVoid    = 'V' // then id and fingerprint of a request that was answered 409
)

// receipt is a journal record, read back: of a request, or of a batch's list.
type receipt struct {
	request payment.Request
	batch   payment.BatchID // "" if it is of a request
	body    []byte
}

// voidKey names one body for one payment.
type voidKey struct {
	id          payment.ID
	fingerprint payment.Fingerprint
}

// encodeReceipt gives a request's journal record, and its message as a part of it:
// they are the same bytes but for the first.
func encodeReceipt(request payment.Request) (record, body []byte) {
	record = appendRequest(append(make([]byte, 0, requestBytesFirst), kindReceipt), request)
	return record, record[1:]
}

func batchRecord(body []byte) []byte {
	return append(append(make([]byte, 0, len(body)+1), kindBatch), body...)
}

func voidRecord(request payment.Request) []byte {
	fingerprint := request.Fingerprint()
	record := append([]byte{kindVoid}, fingerprint[:]...)
	return append(record, request.ID...)
}

// isVoidRecord and mayHaveKey spare a start that looks for few of very many
// receipts the reading of all.
func isVoidRecord(payload []byte) bool { return len(payload) > 0 && payload[0] == kindVoid }

func mayHaveKey(payload []byte) bool { return bytes.Contains(payload, []byte(keyHashMember)) }

// parseRecord reads a record: a receipt, or what it voids.
func parseRecord(payload []byte) (receipt, *voidKey, error) {
	if len(payload) == 0 {
		return receipt{}, nil, errors.New("empty record")
	}
	rest := payload[1:]
	switch payload[0] {
	case kindReceipt:
		request, err := decode(rest)
		return receipt{request: request, body: rest}, nil, err
	case kindBatch:
		batch, err := decodeBatch(rest)
		return receipt{batch: batch.ID, body: rest}, nil, err
	case kindVoid:
		var key voidKey
		if n := copy(key.fingerprint[:], rest); n < len(key.fingerprint) {
			return receipt{}, nil, errors.New("short void record")
		}
		key.id = payment.ID(rest[len(key.fingerprint):])
		return receipt{}, &key, nil
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
	if err := b.keep(ctx, shard, voidRecord(request)); err != nil {
		return err
	}
	// By the newest segment: it may be one too young, which only keeps it longer.
	newest := uint64(0)
	for _, segment := range b.journal.Segments() {
		newest = segment.Number
	}
	b.audit.void(voidKey{request.ID, request.Fingerprint()}, newest)
	return nil
}
