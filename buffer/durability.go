package buffer

import (
	"fmt"

	"github.com/paybuf/paybuf/payment"
)

// Durability is what must hold a request before it is accepted.
type Durability string

// The durabilities. ADR 0011 has the reasons and the figures.
const (
	// JournalAndStream is the default: synced to this node's journal, and stored by
	// the stream. Either can be lost and the other repairs it.
	JournalAndStream Durability = "journal+stream"
	// JournalOnly does not wait for the stream, which gets the request meanwhile, or
	// from the audit when it answers again: a request is accepted while NATS is down.
	// What other nodes know of an order then comes too late for its answer: a
	// repetition may be told that it is the first, and a second body is accepted and
	// put on record. Neither is ever paid twice.
	JournalOnly Durability = "journal"
	// StreamOnly trusts the stream alone: for replicated streams whose servers run
	// with `sync_interval: always`.
	StreamOnly Durability = "stream"
)

// ParseDurability reads a durability's name.
func ParseDurability(text string) (Durability, error) {
	switch d := Durability(text); d {
	case JournalAndStream, JournalOnly, StreamOnly:
		return d, nil
	}
	return "", &payment.Error{
		Code:   payment.CodeConfig,
		Detail: fmt.Sprintf("%q is no durability; choose %s, %s or %s", text, JournalAndStream, JournalOnly, StreamOnly),
	}
}
