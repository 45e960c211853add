package store

import (
	"errors"
	"fmt"
)

// Kind names a way to keep receipts.
type Kind string

// The stores.
const (
	Ours       Kind = "journal"     // buffer/journal, driven by its own Append
	Pebble     Kind = "pebble"      // an LSM tree; its commit pipeline shares the syncs of its log
	PebbleLoop Kind = "pebble+loop" // the same, with one batch per group of the loop
	RaftWAL    Kind = "raft-wal"    // segment files for Raft; one writer, so behind the loop
	Bolt       Kind = "bbolt"       // a B+ tree that is copied on write; one writer, so behind the loop
	Plain      Kind = "append"      // write and fdatasync on one growing file, behind the loop; it only appends
)

// Kinds are all of them, ours first.
var Kinds = []Kind{Ours, Pebble, PebbleLoop, RaftWAL, Bolt, Plain}

// Whole are those that can read, forget and be opened again.
var Whole = []Kind{Ours, Pebble, RaftWAL, Bolt}

// Appender takes payloads from many callers at once.
type Appender interface {
	// Append returns once the payload is durable. It must not be changed before.
	Append(payload []byte) error
	Close() error
}

// Store is all that a journal must do.
type Store interface {
	Appender
	// Read hands out what is kept, also what lies behind a damaged place if the
	// store lets anybody get there. The error is all that the store said of damage
	// meanwhile. A payload is valid only until fn returns.
	Read(fn func(payload []byte)) error
	// RemoveOldHalf forgets the older half, in the units that the store removes,
	// and has it give the space back if it ever does.
	RemoveOldHalf() error
}

// Config sets a store up.
type Config struct {
	Dir string // of this store alone; it must exist
	// SegmentBytes is the size of a file that is written in one go: a segment, or
	// what an LSM tree holds in memory before it writes a table.
	SegmentBytes int64
	Say          func(line string) // hears what the store warns of; never nil
}

var errKind = errors.New("no such store")

// Open opens or makes a store.
func Open(kind Kind, cfg Config) (Store, error) {
	var s Store
	var err error
	switch kind {
	case Ours:
		s, err = openOurs(cfg)
	case Pebble:
		s, err = openPebble(cfg)
	case RaftWAL:
		s, err = openRaftWAL(cfg)
	case Bolt:
		s, err = openBolt(cfg)
	default:
		err = errKind
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", kind, err)
	}
	return s, nil
}

// OpenAppender opens any of the stores to append to it.
func OpenAppender(kind Kind, cfg Config) (Appender, error) {
	switch kind {
	case Plain:
		return openPlain(cfg)
	case PebbleLoop:
		return openPebbleLoop(cfg)
	default:
		return Open(kind, cfg)
	}
}
