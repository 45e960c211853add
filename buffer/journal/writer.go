package journal

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"time"
)

const (
	// writeBytesMax bounds the memory of a Commit: a larger group is written in
	// several pieces, and synced once.
	writeBytesMax = 1 << 20
	// zeroAheadBytes are written behind the records when these reach ground that
	// was only allocated. The file system then has nothing to note down when later
	// groups overwrite them, which makes their fdatasync about twice as fast.
	zeroAheadBytes = 256 << 10
)

var zeros [zeroAheadBytes]byte

// writer appends to the active segment.
type writer struct {
	file   file
	seg    *segment
	salt   uint32
	end    int64 // of what is durable
	zeroed int64 // up to where the file system has real blocks
	bytes  int64 // allocated
}

// createSegment makes the next segment. It gets its name once its header is
// durable, so that a crash leaves no segment without one.
func (j *Journal) createSegment(bytes int64) (*writer, error) {
	number := j.next
	j.next++ // also if this fails: a number never stands for two files
	name, unfinished := segmentName(number), segmentName(number)+unfinishedSuffix
	f, err := j.disk.Create(unfinished, bytes)
	if err != nil {
		return nil, fmt.Errorf("create segment %d: %w", number, noSpace(err))
	}
	w := &writer{file: f, salt: newSalt(), end: headerBytes, zeroed: headerBytes, bytes: bytes}
	head := header{salt: w.salt, number: number, createdAt: time.Now().UTC(), allocated: bytes}
	if err := j.establish(w, head, unfinished); err != nil {
		_, _ = j.disk.Remove(unfinished), j.disk.Remove(name) // one of them, if the disk still does anything
		return nil, fmt.Errorf("create segment %d: %w", number, errors.Join(noSpace(err), f.Close()))
	}
	w.seg = &segment{
		Segment:   Segment{Number: number, Bytes: headerBytes, CreatedAt: head.createdAt, Active: true},
		allocated: bytes, salt: w.salt, salted: true,
	}
	j.add(w.seg)
	return w, nil
}

// establish writes the header and gives the segment its name, both durably.
func (j *Journal) establish(w *writer, head header, unfinished string) error {
	if err := w.write(head.encode(), 0); err != nil {
		return err
	}
	if err := j.sync(w); err != nil {
		return err
	}
	if err := j.disk.Rename(unfinished, segmentName(head.number)); err != nil {
		return err
	}
	return j.disk.Sync()
}

// appendGroup writes records behind the durable end and gives their own end.
func (j *Journal) appendGroup(w *writer, payloads [][]byte, at int64) (int64, error) {
	off := w.end
	buf := j.buf[:0]
	for _, payload := range payloads {
		buf = appendRecord(buf, w.salt, at, payload)
		if len(buf) >= writeBytesMax {
			if err := w.write(buf, off); err != nil {
				return 0, err
			}
			off += int64(len(buf))
			buf = buf[:0]
		}
	}
	j.buf = buf
	if err := w.write(buf, off); err != nil {
		return 0, err
	}
	off += int64(len(buf))
	if err := w.zeroAhead(off); err != nil {
		return 0, err
	}
	return off, j.sync(w)
}

func (w *writer) write(p []byte, off int64) error {
	n, err := w.file.WriteAt(p, off)
	if err == nil && n < len(p) {
		err = io.ErrShortWrite
	}
	return err
}

func (w *writer) zeroAhead(end int64) error {
	ahead := min(zeroAheadBytes, w.bytes-end)
	if end <= w.zeroed || ahead <= 0 {
		return nil
	}
	w.zeroed = end + ahead
	return w.write(zeros[:ahead], end)
}

func (j *Journal) sync(w *writer) error {
	j.count(func(s *Stats) { s.Fsyncs++ })
	return w.file.Sync()
}

// seal ends a segment at its last durable record, so that its size tells how
// much of it there must be. Nothing is ever written to it again, whether this
// succeeds or not. One that holds no record is removed.
func (j *Journal) seal(w *writer) error {
	err := w.file.Truncate(w.end)
	if err == nil {
		err = j.sync(w)
	}
	err = errors.Join(err, w.file.Close())
	j.mu.Lock()
	w.seg.Active, w.seg.SealedAt = false, time.Now().UTC()
	if err == nil {
		w.seg.allocated = w.end
	}
	j.mu.Unlock()
	if w.end == headerBytes {
		return errors.Join(err, j.remove(w.seg.Number))
	}
	return err
}

func newSalt() uint32 {
	var salt [4]byte
	_, _ = rand.Read(salt[:]) // never fails
	return binary.LittleEndian.Uint32(salt[:])
}
