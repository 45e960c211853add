package journal

import "fmt"

// Room tells whether a further segment could be made: nil, or ErrFull, or
// ErrNoSpace. What still fits into the active segment may be appended meanwhile.
func (j *Journal) Room() error {
	j.mu.Lock()
	full := j.allocated()+j.cfg.SegmentBytes > j.cfg.BytesMax
	j.mu.Unlock()
	if full {
		return fmt.Errorf("%w of %d bytes", ErrFull, j.cfg.BytesMax)
	}
	return noSpace(hasRoom(j.dir.fd, j.cfg.SegmentBytes))
}
