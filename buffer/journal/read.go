package journal

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
)

// Read hands out the records of a segment in order, those of the active one as
// far as they are durable. It holds a quarter of a MiB, whatever the size.
//
// Damaged places are reported (see Stats and Segment.SkippedBytes) and passed
// over: an error means that the segment could not be read to its end, so that
// nothing may be concluded from what is missing. It is the cause if ctx ended,
// ErrNoSegment if there is none of that number, and fn's own error if fn gave
// one, which ends the reading.
func (j *Journal) Read(ctx context.Context, number uint64, fn func(Record) error) error {
	s, err := j.readable(number)
	if err != nil {
		return err
	}
	last, err := j.scan(ctx, s, fn)
	if err != nil {
		return fmt.Errorf("journal: segment %d: %w", number, err)
	}
	// What is durable ends with a record; what followed this one is lost. Without
	// a header nobody knows whether zeros are missing records.
	if last.garbage > 0 || (last.bytes > 0 && s.salted) {
		j.report(s, damage{off: last.off, bytes: last.bytes})
	}
	return nil
}

func (j *Journal) readable(number uint64) (*segment, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.closed {
		return nil, ErrClosed
	}
	s := j.find(number)
	if s == nil {
		return nil, fmt.Errorf("journal: %w: %d", ErrNoSegment, number)
	}
	return s, nil
}

// scan walks through what a segment holds at the moment, and counts it.
func (j *Journal) scan(ctx context.Context, s *segment, fn func(Record) error) (last tail, err error) {
	j.mu.Lock()
	end, salt, salted := s.Bytes, s.salt, s.salted
	j.mu.Unlock()
	f, err := j.dir.root.Open(segmentName(s.Number))
	if err != nil {
		return tail{}, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	var records int64
	scan := scanner{
		src: f, end: end, salt: salt, salted: salted,
		record:  func(r Record) error { records++; return fn(r) },
		damaged: func(off, bytes int64) { j.report(s, damage{off: off, bytes: bytes}) },
	}
	if last, err = scan.run(ctx); err == nil {
		j.counted(s, end, records)
	}
	return last, err
}

// counted notes how many records a segment has up to an end, unless more were
// appended meanwhile.
func (j *Journal) counted(s *segment, end, records int64) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if s.Bytes == end {
		s.Records = records
	}
}

// Remove deletes a segment, durably, when its receipts are no longer needed. The
// active one is ErrActive.
func (j *Journal) Remove(number uint64) error {
	s, err := j.readable(number)
	if err != nil {
		return err
	}
	j.mu.Lock()
	active := s.Active
	j.mu.Unlock()
	if active {
		return fmt.Errorf("journal: %w: %d", ErrActive, number)
	}
	if err := j.remove(number); err != nil {
		return fmt.Errorf("journal: remove segment %d: %w", number, err)
	}
	return nil
}

func (j *Journal) remove(number uint64) error {
	if err := j.disk.Remove(segmentName(number)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	j.forget(number)
	return j.disk.Sync()
}
