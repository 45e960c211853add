package store

import (
	"errors"

	"github.com/cockroachdb/pebble/v2"
)

// pebbleLoop spares Pebble's pipeline the work of many small batches.
type pebbleLoop struct {
	*loop
	store *pebbleStore
}

func openPebbleLoop(cfg Config) (*pebbleLoop, error) {
	s, err := openPebble(cfg)
	if err != nil {
		return nil, err
	}
	p := &pebbleLoop{store: s}
	p.loop = newLoop(p.commit)
	return p, nil
}

func (p *pebbleLoop) commit(payloads [][]byte) (err error) {
	batch := p.store.db.NewBatch()
	defer func() { err = errors.Join(err, batch.Close()) }()
	for _, payload := range payloads {
		if err := batch.Set(keyOf(p.store.last.Add(1)), payload, nil); err != nil {
			return err
		}
	}
	return batch.Commit(pebble.Sync)
}

func (p *pebbleLoop) Close() error {
	p.close()
	return p.store.Close()
}
