package journal

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	segmentSuffix = ".journal"
	// unfinishedSuffix marks a segment whose header may not be durable yet.
	unfinishedSuffix = ".unfinished"
	numberDigits     = 16
)

// Segment describes one file of the journal.
type Segment struct {
	Number uint64
	Bytes  int64 // of its header and its durable records
	// Records are its durable records. They are counted as they are appended, by
	// Open if a crash left the segment open, and whenever Read has walked through
	// all of it, which leaves out those that are damaged. An earlier run's segment
	// that Open had no reason to read has 0 until then: not known.
	Records   int64
	CreatedAt time.Time
	// SealedAt is when it was known that nothing would be appended any more, zero
	// for the active segment: no record in it is younger.
	SealedAt time.Time
	Active   bool // still written to
	// SkippedBytes lie in corrupt regions, as far as Open and Read have come upon
	// them: the segment may have held more receipts than Read hands out.
	SkippedBytes int64
}

// segment is what the journal knows of a file. Its fields are guarded by
// Journal.mu.
type segment struct {
	Segment
	allocated int64 // on the disk
	salt      uint32
	salted    bool // the header is intact, so the salt is known
	unsealed  bool // left by a crash; until Open has finished it
	// reported is the damage that was reported, so that none is told twice however
	// often the segment is read.
	reported map[damage]bool
}

func segmentName(number uint64) string {
	return fmt.Sprintf("%0*x%s", numberDigits, number, segmentSuffix)
}

// parseSegmentName tells the names that segmentName gives from all others. The
// very last number is not ours, for it has no successor.
func parseSegmentName(name string) (uint64, bool) {
	digits, ours := strings.CutSuffix(name, segmentSuffix)
	number, err := strconv.ParseUint(digits, 16, 64)
	return number, ours && err == nil && number < math.MaxUint64 && segmentName(number) == name
}

// find gives the segment of that number, or nil. The caller holds mu.
func (j *Journal) find(number uint64) *segment {
	i, found := j.position(number)
	if !found {
		return nil
	}
	return j.segments[i]
}

func (j *Journal) position(number uint64) (int, bool) {
	return slices.BinarySearchFunc(j.segments, number, func(s *segment, number uint64) int {
		return cmp.Compare(s.Number, number)
	})
}

// add lists a segment whose number is the highest so far.
func (j *Journal) add(s *segment) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.segments = append(j.segments, s)
}

// forget takes a segment off the list.
func (j *Journal) forget(number uint64) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if i, found := j.position(number); found {
		j.segments = slices.Delete(j.segments, i, i+1)
	}
}

// allocated is what all segments take on the disk. The caller holds mu.
func (j *Journal) allocated() int64 {
	var bytes int64
	for _, s := range j.segments {
		bytes += s.allocated
	}
	return bytes
}

// Segments lists the journal's files, the oldest first. Numbers rise and may
// have gaps.
func (j *Journal) Segments() []Segment {
	j.mu.Lock()
	defer j.mu.Unlock()
	all := make([]Segment, len(j.segments))
	for i, s := range j.segments {
		all[i] = s.Segment
	}
	return all
}
