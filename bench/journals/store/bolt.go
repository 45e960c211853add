package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"go.etcd.io/bbolt"
)

const (
	boltMode = 0o600
	// boltMapBytes is mapped at once, so that growing never waits for readers.
	boltMapBytes = 1 << 30
	boltTimeout  = 5 * time.Second
)

var boltBucket = []byte("receipts")

// bolt keeps payloads under rising numbers. Its own Batch waits ten milliseconds
// for company, so the loop's groups are faster.
type bolt struct {
	*loop
	db *bbolt.DB
}

func openBolt(cfg Config) (_ *bolt, err error) {
	defer panicked(&err)
	db, err := bbolt.Open(filepath.Join(cfg.Dir, "bolt.db"), boltMode, &bbolt.Options{
		Timeout: boltTimeout, NoFreelistSync: true, FreelistType: bbolt.FreelistMapType, InitialMmapSize: boltMapBytes,
	})
	if err != nil {
		return nil, err
	}
	err = db.Update(func(tx *bbolt.Tx) error {
		_, err := tx.CreateBucketIfNotExists(boltBucket)
		return err
	})
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	b := &bolt{db: db}
	b.loop = newLoop(b.commit)
	return b, nil
}

func (b *bolt) commit(payloads [][]byte) error {
	return b.db.Update(func(tx *bbolt.Tx) error {
		bucket := tx.Bucket(boltBucket)
		bucket.FillPercent = 1 // numbers rise: no page is ever split in its middle
		for _, payload := range payloads {
			number, err := bucket.NextSequence()
			if err != nil {
				return err
			}
			if err := bucket.Put(keyOf(number), payload); err != nil {
				return err
			}
		}
		return nil
	})
}

func (b *bolt) Close() error {
	b.close()
	return b.db.Close()
}

func (b *bolt) Read(fn func(payload []byte)) (err error) {
	defer panicked(&err)
	return b.db.View(func(tx *bbolt.Tx) error {
		return tx.Bucket(boltBucket).ForEach(func(_, payload []byte) error {
			fn(payload)
			return nil
		})
	})
}

// RemoveOldHalf frees pages for later use; the file never shrinks.
func (b *bolt) RemoveOldHalf() error {
	return b.db.Update(func(tx *bbolt.Tx) error {
		bucket := tx.Bucket(boltBucket)
		for number := uint64(1); number <= bucket.Sequence()/2; number++ {
			if err := bucket.Delete(keyOf(number)); err != nil {
				return err
			}
		}
		return nil
	})
}

// panicked turns a panic, which is how bbolt tells of damage, into an error.
func panicked(err *error) {
	if what := recover(); what != nil {
		*err = fmt.Errorf("panic: %v", what)
	}
}

// keyOf gives a key that sorts as its number does.
func keyOf(number uint64) []byte {
	return binary.BigEndian.AppendUint64(nil, number)
}
