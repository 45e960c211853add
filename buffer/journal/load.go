package journal

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"
)

// load lists the segments that earlier runs left, and finishes what a crash has
// left open: the last, seldom also the one before it.
func (j *Journal) load(ctx context.Context) error {
	numbers, err := j.sweep()
	if err != nil {
		return err
	}
	for _, number := range numbers {
		s, err := j.loadSegment(number)
		if err != nil {
			return fmt.Errorf("segment %d: %w", number, err)
		}
		j.add(s)
		j.next = number + 1
		if !s.unsealed {
			continue
		}
		if err := j.finish(ctx, s); err != nil {
			return fmt.Errorf("segment %d: %w", number, err)
		}
	}
	return nil
}

// sweep gives the numbers of the segments there are, and removes those that were
// never finished making.
func (j *Journal) sweep() ([]uint64, error) {
	entries, err := fs.ReadDir(j.dir.root.FS(), ".")
	if err != nil {
		return nil, err
	}
	var numbers []uint64
	for _, entry := range entries { // sorted by name, and so by number
		name, unfinished := strings.CutSuffix(entry.Name(), unfinishedSuffix)
		number, ours := parseSegmentName(name)
		switch {
		case ours && unfinished:
			if err := j.disk.Remove(entry.Name()); err != nil {
				return nil, err
			}
		case ours:
			numbers = append(numbers, number)
		}
	}
	return numbers, nil
}

// loadSegment reads the header of a segment.
func (j *Journal) loadSegment(number uint64) (s *segment, err error) {
	f, err := j.dir.root.Open(segmentName(number))
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	s = &segment{
		Segment: Segment{
			Number: number, Bytes: info.Size(),
			CreatedAt: info.ModTime().UTC(), SealedAt: info.ModTime().UTC(),
		},
		allocated: info.Size(),
	}
	block := make([]byte, min(headerUsedBytes, info.Size()))
	if _, err := f.ReadAt(block, 0); err != nil {
		return nil, err
	}
	head, err := parseHeader(block)
	switch {
	case errors.Is(err, errHeader) || (err == nil && head.number != number):
		j.report(s, damage{off: 0, bytes: headerBytes})
	case err != nil:
		return nil, err
	default:
		s.CreatedAt, s.salt, s.salted = head.createdAt, head.salt, true
		s.unsealed = info.Size() >= head.allocated
	}
	return s, nil
}

// finish ends a segment that a crash left open behind its last record, or
// removes it if it has none.
func (j *Journal) finish(ctx context.Context, s *segment) error {
	last, err := j.scan(ctx, s, func(Record) error { return nil })
	if err != nil {
		return err
	}
	if last.garbage > 0 {
		j.report(s, damage{off: last.off, bytes: last.garbage, torn: true})
	}
	if last.off == headerBytes {
		return j.remove(s.Number)
	}
	return j.cut(s, last.off)
}

// cut ends a segment of an earlier run, durably. What was found in it may have
// been written and never synced; now it is.
func (j *Journal) cut(s *segment, end int64) (err error) {
	f, err := j.dir.root.OpenFile(segmentName(s.Number), os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if err := f.Truncate(end); err != nil {
		return err
	}
	if err := dataSync(f); err != nil {
		return err
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.stats.Fsyncs++
	s.Bytes, s.allocated, s.SealedAt, s.unsealed = end, end, time.Now().UTC(), false
	return nil
}
