package store

import (
	"errors"
	"fmt"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/raft"
	wal "github.com/hashicorp/raft-wal"
	"github.com/hashicorp/raft-wal/metadb"
)

// raftWAL numbers the payloads, as Raft numbers its log.
type raftWAL struct {
	*loop
	wal  *wal.WAL
	meta *metadb.BoltMetaDB // its list of segments; closing the log leaves it open
	last uint64             // index of the newest
	logs []*raft.Log        // of a group; used again for the next
}

func openRaftWAL(cfg Config) (*raftWAL, error) {
	logger := hclog.New(&hclog.LoggerOptions{Level: hclog.Warn, Output: lines(cfg.Say)})
	meta := &metadb.BoltMetaDB{}
	w, err := wal.Open(cfg.Dir, wal.WithSegmentSize(int(cfg.SegmentBytes)), wal.WithLogger(logger), wal.WithMetaStore(meta))
	if err != nil {
		return nil, errors.Join(err, meta.Close())
	}
	last, err := w.LastIndex()
	if err != nil {
		return nil, errors.Join(err, w.Close(), meta.Close())
	}
	r := &raftWAL{wal: w, meta: meta, last: last}
	r.loop = newLoop(r.commit)
	return r, nil
}

func (r *raftWAL) commit(payloads [][]byte) error {
	for len(r.logs) < len(payloads) {
		r.logs = append(r.logs, &raft.Log{Term: 1, Type: raft.LogCommand})
	}
	logs := r.logs[:len(payloads)]
	for i, payload := range payloads {
		logs[i].Index, logs[i].Data = r.last+1+uint64(i), payload
	}
	if err := r.wal.StoreLogs(logs); err != nil {
		return err
	}
	r.last += uint64(len(payloads))
	return nil
}

func (r *raftWAL) Close() error {
	r.close()
	return errors.Join(r.wal.Close(), r.meta.Close())
}

func (r *raftWAL) Read(fn func(payload []byte)) error {
	first, err := r.wal.FirstIndex()
	if err != nil {
		return err
	}
	last, err := r.wal.LastIndex()
	if err != nil {
		return err
	}
	var failed failures
	var log raft.Log
	for index := max(1, first); index <= last; index++ {
		if err := r.wal.GetLog(index, &log); err != nil {
			failed.add(err)
			continue
		}
		fn(log.Data)
	}
	return failed.err()
}

func (r *raftWAL) RemoveOldHalf() error {
	first, err := r.wal.FirstIndex()
	if err != nil {
		return err
	}
	return r.wal.DeleteRange(first, first+(r.last-first)/2)
}

// failures counts the records that a store could not give, and keeps its first
// reason.
type failures struct {
	count int
	first error
}

func (f *failures) add(err error) {
	if f.count++; f.first == nil {
		f.first = err
	}
}

func (f *failures) err() error {
	if f.count == 0 {
		return nil
	}
	return fmt.Errorf("%d records: %w", f.count, f.first)
}
