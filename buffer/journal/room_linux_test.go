package journal

import (
	"errors"
	"testing"
)

func TestRoom_tellsWhatTheNextSegmentWillMeet(t *testing.T) {
	j := openIn(t, t.TempDir(), func(c *Config) { c.SegmentBytes, c.BytesMax = segmentBytes, 2*segmentBytes })
	if err := j.Room(); err != nil {
		t.Errorf("an empty journal: %v", err)
	}
	commit(t, j, "first")
	if err := j.Rotate(); err != nil {
		t.Fatal(err)
	}
	commit(t, j, "second")
	if err := j.Room(); !errors.Is(err, ErrFull) {
		t.Errorf("a journal at its limit: %v, want ErrFull", err)
	}
	if err := j.Remove(1); err != nil {
		t.Fatal(err)
	}
	if err := j.Room(); err != nil {
		t.Errorf("after a removal: %v", err)
	}
	huge := openIn(t, t.TempDir(), func(c *Config) { c.SegmentBytes, c.BytesMax = 1<<58, 1<<60 })
	if err := huge.Room(); !errors.Is(err, ErrNoSpace) {
		t.Errorf("a segment that no disk holds: %v, want ErrNoSpace", err)
	}
}
