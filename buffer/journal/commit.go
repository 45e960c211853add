package journal

import (
	"errors"
	"fmt"
	"log/slog"
	"time"
)

// Commit appends the payloads in order and returns when all are durable: one
// write and one fdatasync for the group. It neither changes nor keeps them.
//
// After an error none is promised and any may still be handed out by Read. A
// disk that failed to write or sync costs the segment its unsynced end, since
// nobody knows what became of it, and the next Commit begins a new segment.
// ErrNoSpace and ErrFull come before anything was written.
func (j *Journal) Commit(payloads [][]byte) error {
	bytes, err := groupBytes(payloads)
	if err != nil || len(payloads) == 0 {
		return err
	}
	j.writing.Lock()
	defer j.writing.Unlock()
	if j.isClosed() {
		return ErrClosed
	}
	if err := j.commit(payloads, bytes); err != nil {
		j.count(func(s *Stats) { s.Failures++ })
		return fmt.Errorf("journal: %w", err)
	}
	return nil
}

func (j *Journal) commit(payloads [][]byte, bytes int64) error {
	if err := j.makeRoom(bytes); err != nil {
		return err
	}
	w := j.active
	end, err := j.appendGroup(w, payloads, time.Now().UnixMilli())
	if err != nil {
		j.active = nil
		return fmt.Errorf("append to segment %d: %w", w.seg.Number, errors.Join(noSpace(err), j.seal(w)))
	}
	w.end = end
	j.mu.Lock()
	w.seg.Bytes = end
	w.seg.Records += int64(len(payloads))
	j.stats.Records += uint64(len(payloads))
	j.mu.Unlock()
	return nil
}

// makeRoom sees to it that the whole group fits into the active segment, which
// may be larger than others for a large group. If there can be no new segment
// the old one stays, for smaller groups.
func (j *Journal) makeRoom(bytes int64) error {
	// At least the last bytes of a segment stay unused, so that a sealed one is
	// always smaller than one that is not.
	if j.active != nil && j.active.end+bytes < j.active.bytes {
		return nil
	}
	size := max(j.cfg.SegmentBytes, headerBytes+bytes+alignBytes)
	j.mu.Lock()
	full := j.allocated()+size > j.cfg.BytesMax
	j.mu.Unlock()
	if full {
		return fmt.Errorf("%w of %d bytes", ErrFull, j.cfg.BytesMax)
	}
	w, err := j.createSegment(size)
	if err != nil {
		return err
	}
	// If that fails it costs room, and no record.
	if err := j.sealActive(); err != nil {
		j.log.Warn("seal a full segment", slog.Any("error", err))
	}
	j.active = w
	return nil
}

func (j *Journal) sealActive() error {
	w := j.active
	if w == nil {
		return nil
	}
	j.active = nil
	return j.seal(w)
}

// Rotate seals the active segment, so that a quiet node's receipts can be
// audited and removed too. Without one it does nothing.
func (j *Journal) Rotate() error {
	j.writing.Lock()
	defer j.writing.Unlock()
	if j.isClosed() {
		return ErrClosed
	}
	if err := j.sealActive(); err != nil {
		return fmt.Errorf("journal: seal: %w", err)
	}
	return nil
}

// groupBytes is what the payloads will take in a segment.
func groupBytes(payloads [][]byte) (int64, error) {
	var bytes int64
	for _, payload := range payloads {
		if len(payload) > RecordBytesMax {
			return 0, fmt.Errorf("%w: a payload of %d bytes", ErrTooLarge, len(payload))
		}
		bytes += recordBytes(len(payload))
	}
	if bytes > GroupBytesMax {
		return 0, fmt.Errorf("%w: a group of %d bytes", ErrTooLarge, bytes)
	}
	return bytes, nil
}
