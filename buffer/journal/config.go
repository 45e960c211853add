package journal

import (
	"errors"
	"fmt"
	"log/slog"
)

// Limits that hold for every journal.
const (
	// RecordBytesMax is the longest payload of one record.
	RecordBytesMax = 128 << 10
	// GroupBytesMax bounds the records of one Commit, and those that wait for
	// Append's next one, each with its header and padding.
	GroupBytesMax = 128 << 20
)

const (
	segmentBytesDefault = 64 << 20
	bytesMaxDefault     = 4 << 30
	// segmentsMin is how many full segments BytesMax must hold: while one waits
	// for its audit, another is written.
	segmentsMin = 2
)

// Errors that a caller may want to tell apart. Each may come wrapped.
var (
	// ErrNoSpace means that the disk has no room for a further segment. The next
	// Commit tries again.
	ErrNoSpace = errors.New("the journal's disk has no space left")
	// ErrFull means that a further segment would exceed Config.BytesMax. It ends
	// when segments have been removed.
	ErrFull = errors.New("the journal has reached its limit")
	// ErrBusy means that Append's callers wait with GroupBytesMax already.
	ErrBusy = errors.New("too much waits for the journal")
	// ErrTooLarge means a payload over RecordBytesMax or a group over
	// GroupBytesMax.
	ErrTooLarge = errors.New("too large for the journal")
	// ErrInUse means that the directory belongs to another open journal, of this
	// process or another.
	ErrInUse = errors.New("the journal is in use")
	// ErrClosed means that the journal was closed.
	ErrClosed = errors.New("the journal is closed")
	// ErrNoSegment means that there is no segment of that number.
	ErrNoSegment = errors.New("no such segment")
	// ErrActive means that the segment is still written to.
	ErrActive = errors.New("the segment is still written to")
)

// Config sets a journal up. Everything but Dir has a working default.
type Config struct {
	Dir string // of this journal alone; made if it is missing

	SegmentBytes int64 // allocated at once for a segment; default 64 MiB
	BytesMax     int64 // allocated by all segments, at least two of them; default 4 GiB

	Logger *slog.Logger // hears of damage; default none
}

func (c Config) withDefaults() (Config, error) {
	if c.SegmentBytes == 0 {
		c.SegmentBytes = segmentBytesDefault
	}
	if c.BytesMax == 0 {
		c.BytesMax = max(bytesMaxDefault, segmentsMin*c.SegmentBytes)
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	switch {
	case c.Dir == "":
		return c, errors.New("journal: no directory is given")
	case c.SegmentBytes <= headerBytes:
		return c, fmt.Errorf("journal: a segment of %d bytes has no room for a record", c.SegmentBytes)
	case c.BytesMax/segmentsMin < c.SegmentBytes:
		return c, fmt.Errorf("journal: a limit of %d bytes does not hold %d segments of %d bytes",
			c.BytesMax, segmentsMin, c.SegmentBytes)
	}
	return c, nil
}
