// Package harm damages the files of a journal as disks and power cuts do.
//
// It promises that the same file, way and attempt give the same damage, that it
// strikes only where something was written, and that it changes nothing else.
package harm

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
)

// Way is a sort of damage.
type Way string

// The ways, in the order in which the document tells of them.
const (
	Cut        Way = "newest file cut off"
	Blank      Way = "newest file blank at its end"
	FlipNewest Way = "bit flipped in the newest file"
	FlipOldest Way = "bit flipped in the oldest file"
)

// Ways are all of them.
var Ways = []Way{Cut, Blank, FlipNewest, FlipOldest}

// TailBytesMax is the most that Cut and Blank take. They never take more than
// half of what was written.
const TailBytesMax = 64 << 10

// Do damages one of the files of a journal, which are sorted by age. Marks are
// parts of what was written to the newest file last: only room that was allocated,
// or what an earlier use of the file left, follows the last of them.
func Do(way Way, files []string, marks [][]byte, attempt uint64) error {
	random := rand.New(rand.NewPCG(attempt, uint64(len(way)))) //nolint:gosec // no secret
	file := files[len(files)-1]
	if way == FlipOldest {
		file, marks = files[0], nil
	}
	if err := strike(way, file, marks, random); err != nil {
		return fmt.Errorf("%s: %w", way, err)
	}
	return nil
}

func strike(way Way, name string, marks [][]byte, random *rand.Rand) error {
	content, err := os.ReadFile(name) //nolint:gosec // a copy of our own
	if err != nil {
		return err
	}
	written := writtenBytes(content, marks)
	if written < 2 {
		return io.ErrUnexpectedEOF
	}
	end := written - 1 - random.IntN(min(TailBytesMax, written/2))
	switch way {
	case Cut:
		return os.Truncate(name, int64(end))
	case Blank:
		clear(content[end:])
	default: // somewhere in the middle half, which is nobody's header
		content[written/4+random.IntN(written/2)] ^= 1 << random.IntN(8)
	}
	return overwrite(name, content)
}

// writtenBytes reach to the last mark, or to the last byte that is not zero.
func writtenBytes(content []byte, marks [][]byte) int {
	last := 0
	for _, mark := range marks {
		if at := bytes.LastIndex(content, mark); at >= 0 {
			last = max(last, at+len(mark))
		}
	}
	if last > 0 {
		return last
	}
	return len(bytes.TrimRight(content, "\x00"))
}

// overwrite keeps the file and its size.
func overwrite(name string, content []byte) error {
	file, err := os.OpenFile(name, os.O_WRONLY, 0) //nolint:gosec // a copy of our own
	if err != nil {
		return err
	}
	if _, err := file.WriteAt(content, 0); err != nil {
		_ = file.Close() // the write's error says more
		return err
	}
	return file.Close()
}
