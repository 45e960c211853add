package harm

import (
	"bytes"
	"math/bits"
	"os"
	"path/filepath"
	"testing"
)

// files makes two, of what was written and of room behind it.
func files(t *testing.T) (names []string, content []byte) {
	t.Helper()
	dir := t.TempDir()
	content = append(bytes.Repeat([]byte{0xA5}, 100<<10), make([]byte, 50<<10)...)
	for _, name := range []string{"old", "new"} {
		names = append(names, filepath.Join(dir, name))
		if err := os.WriteFile(names[len(names)-1], content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return names, content
}

func read(t *testing.T, name string) []byte {
	t.Helper()
	content, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

func TestDo_strikesOneFileAndOnlyWhatWasWritten(t *testing.T) {
	const written = 100 << 10
	for _, way := range Ways {
		for attempt := range uint64(20) {
			names, before := files(t)
			if err := Do(way, names, nil, attempt); err != nil {
				t.Fatal(err)
			}
			struck, spared := read(t, names[1]), read(t, names[0])
			if way == FlipOldest {
				struck, spared = spared, struck
			}
			if !bytes.Equal(spared, before) {
				t.Errorf("%s changed the other file, too", way)
			}
			switch way {
			case Cut:
				if len(struck) >= written || len(struck) < written-TailBytesMax || !bytes.HasPrefix(before, struck) {
					t.Errorf("%s left %d bytes", way, len(struck))
				}
			case Blank:
				left := len(bytes.TrimRight(struck, "\x00"))
				if len(struck) != len(before) || left >= written || left < written-TailBytesMax || !bytes.Equal(struck[:left], before[:left]) {
					t.Errorf("%s left %d of %d bytes", way, left, len(struck))
				}
			default:
				if got := flipped(before, struck); got != 1 {
					t.Errorf("%s changed %d bits", way, got)
				}
			}
		}
	}
}

// flipped counts the bits that differ.
func flipped(a, b []byte) int {
	if len(a) != len(b) {
		return -1
	}
	count := 0
	for i := range a {
		count += bits.OnesCount8(a[i] ^ b[i])
	}
	return count
}

func TestDo_theSameAttemptGivesTheSameDamage(t *testing.T) {
	for _, way := range Ways {
		var seen [][]byte
		for _, attempt := range []uint64{3, 3, 4} {
			names, _ := files(t)
			if err := Do(way, names, nil, attempt); err != nil {
				t.Fatal(err)
			}
			seen = append(seen, append(read(t, names[0]), read(t, names[1])...))
		}
		if !bytes.Equal(seen[0], seen[1]) || bytes.Equal(seen[0], seen[2]) {
			t.Errorf("%s: attempts are not told apart, or not repeated", way)
		}
	}
}

func TestDo_findsNothingInABlankFile(t *testing.T) {
	name := filepath.Join(t.TempDir(), "blank")
	if err := os.WriteFile(name, make([]byte, 4096), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := Do(Cut, []string{name}, nil, 1); err == nil {
		t.Error("nothing was cut off")
	}
}

func TestDo_sparesWhatAnEarlierUseOfTheFileLeft(t *testing.T) {
	const written = 40 << 10
	mark := []byte("written last")
	for attempt := range uint64(20) {
		names, before := files(t)
		copy(before[written-len(mark):], mark)
		if err := os.WriteFile(names[1], before, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := Do(FlipNewest, names, [][]byte{[]byte("not there"), mark}, attempt); err != nil {
			t.Fatal(err)
		}
		struck := read(t, names[1])
		if flipped(before[:written], struck[:written]) != 1 || flipped(before, struck) != 1 {
			t.Error("it did not strike what was written")
		}
	}
}
