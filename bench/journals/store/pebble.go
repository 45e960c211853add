package store

import (
	"context"
	"encoding/binary"
	"errors"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2"
)

const (
	pebbleCacheBytes = 8 << 20 // nothing is read while it appends
	// pebbleStop is how many memtables may wait to be written as tables before
	// writers wait, too.
	pebbleStop = 4
)

// pebbleStore keeps payloads under rising numbers. Each caller commits a batch of
// its own: Pebble's pipeline has them share the syncs of its log.
type pebbleStore struct {
	db   *pebble.DB
	last atomic.Uint64 // number given out last
}

func openPebble(cfg Config) (*pebbleStore, error) {
	cache := pebble.NewCache(pebbleCacheBytes)
	defer cache.Unref() // the database holds it
	logger := pebbleLogger{lines(cfg.Say)}
	db, err := pebble.Open(cfg.Dir, &pebble.Options{
		Cache:                       cache,
		FormatMajorVersion:          pebble.FormatNewest,
		MemTableSize:                uint64(cfg.SegmentBytes), //nolint:gosec // not negative
		MemTableStopWritesThreshold: pebbleStop,
		Logger:                      logger,
		EventListener: &pebble.EventListener{
			BackgroundError: func(err error) { logger.Errorf("%v", err) },
			DataCorruption:  func(info pebble.DataCorruptionInfo) { logger.Errorf("%v", info) }, // would end the process
		},
	})
	if err != nil {
		return nil, err
	}
	p := &pebbleStore{db: db}
	if err := p.findLast(); err != nil {
		logger.Errorf("find the last record: %v", err)
	}
	return p, nil
}

func (p *pebbleStore) findLast() (err error) {
	iterator, err := p.db.NewIter(nil)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, iterator.Close()) }()
	if iterator.Last() {
		p.last.Store(binary.BigEndian.Uint64(iterator.Key()))
	}
	return iterator.Error()
}

// Append implements Appender.
func (p *pebbleStore) Append(payload []byte) error {
	return p.db.Set(keyOf(p.last.Add(1)), payload, pebble.Sync)
}

func (p *pebbleStore) Close() error { return p.db.Close() }

// Read asks for number after number once walking is no longer possible.
func (p *pebbleStore) Read(fn func(payload []byte)) error {
	next, err := p.walk(fn)
	if err == nil {
		return nil
	}
	failed := failures{first: err}
	for number := next; number <= p.last.Load(); number++ {
		payload, closer, err := p.db.Get(keyOf(number))
		if err != nil {
			failed.add(err)
			continue
		}
		fn(payload)
		if err := closer.Close(); err != nil {
			return err
		}
	}
	return errors.Join(err, failed.err())
}

// walk hands out what there is up to the first damage, and tells which number
// comes next.
func (p *pebbleStore) walk(fn func(payload []byte)) (next uint64, err error) {
	iterator, err := p.db.NewIter(nil)
	if err != nil {
		return 1, err
	}
	defer func() { err = errors.Join(err, iterator.Close()) }()
	next = 1
	for valid := iterator.First(); valid; valid = iterator.Next() {
		payload, err := iterator.ValueAndErr()
		if err != nil {
			return next, err
		}
		fn(payload)
		next = binary.BigEndian.Uint64(iterator.Key()) + 1
	}
	return next, iterator.Error()
}

// RemoveOldHalf also compacts: only that gives the space back.
func (p *pebbleStore) RemoveOldHalf() error {
	first, middle := keyOf(0), keyOf(1+p.last.Load()/2)
	if err := p.db.DeleteRange(first, middle, pebble.Sync); err != nil {
		return err
	}
	return p.db.Compact(context.Background(), first, middle, false)
}

// pebbleLogger leaves out what is no warning.
type pebbleLogger struct{ lines }

func (pebbleLogger) Infof(string, ...any)                {}
func (l pebbleLogger) Errorf(format string, args ...any) { l.sayf(format, args...) }

// Fatalf is for states that Pebble never returns from.
func (l pebbleLogger) Fatalf(format string, args ...any) {
	l.sayf(format, args...)
	panic("pebble gave up")
}
