package journal

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"time"
)

// windowBytes is the memory of a scan; it holds any record.
const windowBytes = 256 << 10

// scanner walks through the records of one segment. It trusts nothing that it
// reads: whatever the bytes are, it moves forward and stays within them.
type scanner struct {
	src    io.ReaderAt
	end    int64  // of what is to be scanned
	salt   uint32 // that each record must carry
	salted bool   // the salt is known

	record  func(Record) error     // is given each intact record
	damaged func(off, bytes int64) // is told of each damaged place that records follow

	window []byte // what was read last
	start  int64  // and from where
}

// tail is what a scan found behind the last record.
type tail struct {
	off     int64 // where it begins
	bytes   int64 // of it
	garbage int64 // of these up to the last that is not zero; 0 if it is blank
}

// run scans from behind the header to the end.
func (s *scanner) run(ctx context.Context) (tail, error) {
	off := int64(headerBytes)
	for off < s.end {
		bytes, err := s.visit(ctx, off)
		if err != nil {
			return tail{}, err
		}
		if bytes > 0 {
			off += bytes
			continue
		}
		next, garbage, err := s.resync(ctx, off)
		if err != nil {
			return tail{}, err
		}
		if next >= s.end {
			return tail{off: off, bytes: s.end - off, garbage: garbage}, nil
		}
		s.damaged(off, next-off)
		off = next
	}
	return tail{off: off}, nil
}

// visit hands out the record at off and gives its length, 0 if there is none.
func (s *scanner) visit(ctx context.Context, off int64) (int64, error) {
	head, raw, err := s.parse(ctx, off)
	if err != nil || raw == nil {
		return 0, err
	}
	padding := recordHeaderBytes + head.length
	if nonZero(raw[padding:]) > 0 { // costs no record, but disks should not do that
		s.damaged(off+int64(padding), int64(len(raw)-padding))
	}
	record := Record{At: time.UnixMilli(head.at).UTC(), Payload: raw[recordHeaderBytes:padding:padding]}
	return int64(len(raw)), s.record(record)
}

// parse gives the intact record at off, from its header to its padding, as far
// as that exists; nil if there is none.
func (s *scanner) parse(ctx context.Context, off int64) (recordHeader, []byte, error) {
	b, err := s.peek(ctx, off, recordHeaderBytes)
	if err != nil {
		return recordHeader{}, nil, err
	}
	head, ok := parseRecordHeader(b)
	if !ok || (s.salted && head.salt != s.salt) {
		return recordHeader{}, nil, nil
	}
	unpadded := recordHeaderBytes + head.length
	b, err = s.peek(ctx, off, int(recordBytes(head.length)))
	if err != nil || len(b) < unpadded || checksum(b[:unpadded]) != head.crc {
		return recordHeader{}, nil, err
	}
	return head, b, nil
}

// resync looks for the next intact record from off on. It gives the end if there
// is none, and how much from off on is not blank.
func (s *scanner) resync(ctx context.Context, off int64) (next, garbage int64, err error) {
	for at := off; at < s.end; at += alignBytes {
		b, err := s.peek(ctx, at, alignBytes)
		if err != nil {
			return 0, 0, err
		}
		used := nonZero(b)
		if used == 0 {
			continue
		}
		garbage = at + int64(used) - off
		if len(b) < alignBytes || binary.LittleEndian.Uint32(b) != recordMagic {
			continue
		}
		if _, raw, err := s.parse(ctx, at); err != nil || raw != nil {
			return at, garbage, err
		}
	}
	return s.end, garbage, nil
}

// peek gives the n bytes at off, or as many as there are up to the end. They
// stay until the next call.
func (s *scanner) peek(ctx context.Context, off int64, n int) ([]byte, error) {
	n = int(min(int64(n), s.end-off))
	if off < s.start || off+int64(n) > s.start+int64(len(s.window)) {
		if err := s.load(ctx, off); err != nil {
			return nil, err
		}
	}
	return s.window[off-s.start:][:n:n], nil
}

// load moves the window to off. What the file lacks reads as zeros, which is
// damage where records should be.
func (s *scanner) load(ctx context.Context, off int64) error {
	if err := context.Cause(ctx); err != nil {
		return err
	}
	size := min(windowBytes, s.end-off)
	if int64(cap(s.window)) < size {
		s.window = make([]byte, size)
	}
	s.start = off
	s.window = s.window[:size]
	n, err := s.src.ReadAt(s.window, off)
	if err != nil && !errors.Is(err, io.EOF) {
		s.window = s.window[:0]
		return fmt.Errorf("read at %d: %w", off, err)
	}
	clear(s.window[n:])
	return nil
}

// nonZero gives the length of b without the zeros at its end.
func nonZero(b []byte) int {
	for len(b) > 0 && b[len(b)-1] == 0 {
		b = b[:len(b)-1]
	}
	return len(b)
}
