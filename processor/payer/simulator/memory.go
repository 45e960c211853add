package simulator

import (
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"time"
)

// memory fills a book from the ledger's entries.
type memory struct {
	book    *book
	pending map[uint64]*operation // by number
}

func newMemory(b *book) *memory {
	return &memory{book: b, pending: make(map[uint64]*operation)}
}

// add remembers one entry. A second of a charge decides it, or voids it.
func (m *memory) add(e entry) error {
	m.book.mu.Lock()
	defer m.book.mu.Unlock()
	op := m.pending[e.Number]
	if e.Status == voided && op == nil {
		if op = m.book.numbered(e.Reference, e.Number); op == nil {
			return fmt.Errorf("charge %d was voided and is not in the ledger", e.Number)
		}
	}
	if op == nil {
		var err error
		if op, err = e.operation(); err != nil {
			return err
		}
		m.book.enter(op)
	}
	m.book.record(op, e.Status, e.VisibleAt)
	if e.Status == pending {
		m.pending[e.Number] = op
	} else {
		delete(m.pending, e.Number)
	}
	return nil
}

// undecided gives what is still pending, oldest first.
func (m *memory) undecided() []*operation {
	ops := make([]*operation, 0, len(m.pending))
	for _, number := range slices.Sorted(maps.Keys(m.pending)) {
		ops = append(ops, m.pending[number])
	}
	return ops
}

func (e entry) operation() (*operation, error) {
	money, err := e.money()
	if err != nil {
		return nil, err
	}
	op := &operation{
		order:  order{reference: e.Reference, key: e.Key, money: money},
		number: e.Number,
		at:     e.At,
	}
	if op.key == op.reference {
		op.key = op.reference // one copy in memory: they are the same by default
	}
	if n, err := hex.Decode(op.body[:], []byte(e.Body)); err != nil || n != len(op.body) {
		return nil, fmt.Errorf("charge %d: the digest of its body cannot be read", e.Number)
	}
	return op, nil
}

// entry is the ledger's line about what op became at that time.
func (op *operation) entry(became status, at, visibleAt time.Time) entry {
	return entry{
		Number:    op.number,
		Reference: op.reference,
		Key:       op.key,
		Status:    became,
		Amount:    op.money.Minor(),
		Currency:  op.money.Currency(),
		Body:      hex.EncodeToString(op.body[:]),
		At:        at.UTC(),
		VisibleAt: visibleAt,
	}
}
