package journal

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestCommit_isHandedOutWholeAndInOrder(t *testing.T) {
	dir := t.TempDir()
	j := openIn(t, dir, nil)
	before := time.Now().Truncate(time.Millisecond)
	want := slices.Concat([]string{""}, receipts(0, 40), []string{strings.Repeat("\x00", 17), string(make([]byte, RecordBytesMax))})
	for group := range slices.Chunk(want, 7) {
		commit(t, j, group...)
	}
	after := time.Now()
	wantContents(t, j, want)
	closed(t, j)

	again := openIn(t, dir, nil)
	wantContents(t, again, want)
	wantDamage(t, again, 0, 0, 0)
	for _, s := range again.Segments() {
		err := again.Read(t.Context(), s.Number, func(r Record) error {
			if r.At.Before(before) || r.At.After(after) || r.At.Location() != time.UTC {
				t.Errorf("a record is of %s, was appended from %s to %s", r.At, before, after)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

func TestCommit_neitherChangesNorKeepsThePayloads(t *testing.T) {
	j := openIn(t, t.TempDir(), nil)
	group := raw([]string{"first", "second"})
	for range 2 {
		if err := j.Commit(group); err != nil {
			t.Fatal(err)
		}
		copy(group[0], "FIRST")
	}
	wantContents(t, j, []string{"first", "second", "FIRST", "second"})
}

func TestCommit_isOneSyncPerGroup(t *testing.T) {
	j := openIn(t, t.TempDir(), func(c *Config) { c.SegmentBytes = 8 << 20 })
	commit(t, j, "opens the segment")
	before := j.Stats()
	commit(t, j, receipts(0, 1000)...)
	big := string(make([]byte, RecordBytesMax))
	commit(t, j, slices.Repeat([]string{big}, 20)...) // more than one write
	after := j.Stats()
	if n := after.Fsyncs - before.Fsyncs; n != 2 {
		t.Errorf("%d fsyncs for two groups", n)
	}
	if n := after.Records - before.Records; n != 1020 {
		t.Errorf("%d records are counted, want 1020", n)
	}
	wantContents(t, j, slices.Concat([]string{"opens the segment"}, receipts(0, 1000), slices.Repeat([]string{big}, 20)))
}

func TestCommit_ofNothingTouchesNothing(t *testing.T) {
	j := openIn(t, t.TempDir(), nil)
	if err := j.Commit(nil); err != nil {
		t.Error(err)
	}
	if s := j.Stats(); s != (Stats{}) {
		t.Errorf("stats are %+v", s)
	}
}

func TestCommit_refusesWhatIsTooLarge(t *testing.T) {
	j := openIn(t, t.TempDir(), nil)
	long := make([]byte, RecordBytesMax+1)
	if err := j.Commit([][]byte{[]byte("fits"), long}); !errors.Is(err, ErrTooLarge) {
		t.Errorf("a long payload gave %v", err)
	}
	if err := j.Append(t.Context(), long); !errors.Is(err, ErrTooLarge) {
		t.Errorf("a long payload gave %v", err)
	}
	many := slices.Repeat([][]byte{long[:RecordBytesMax]}, GroupBytesMax/RecordBytesMax)
	if err := j.Commit(many); !errors.Is(err, ErrTooLarge) {
		t.Errorf("a large group gave %v", err)
	}
	wantContents(t, j, nil)
}

func TestCommit_groupLargerThanASegmentStaysTogether(t *testing.T) {
	j := openIn(t, t.TempDir(), nil)
	commit(t, j, "small")
	big := strings.Repeat("x", 100<<10)
	commit(t, j, big, big, big)
	commit(t, j, "small again")
	if got := segmentOf(t, j, 2); !slices.Equal(got, []string{big, big, big}) {
		t.Errorf("segment 2 holds %d records, want the group", len(got))
	}
	wantContents(t, j, []string{"small", big, big, big, "small again"})
}

func TestCommit_staysWithinTheAllocatedRoom(t *testing.T) {
	dir := t.TempDir()
	j := openIn(t, dir, nil)
	path := filepath.Join(dir, segmentName(1))
	for len(j.Segments()) < 2 {
		if info, err := os.Stat(path); err == nil && info.Size() != segmentBytes {
			t.Fatalf("the active segment has %d bytes after %d records", info.Size(), j.Stats().Records)
		}
		commit(t, j, receipts(int(j.Stats().Records), 7)...)
	}
	if info, err := os.Stat(path); err != nil || info.Size() >= segmentBytes || info.Size() < segmentBytes-2000 {
		t.Errorf("the full segment has %d bytes; %v", info.Size(), err)
	}
	wantContents(t, j, receipts(0, int(j.Stats().Records)))
}

func TestCommit_lastByteOfASegmentStaysFree(t *testing.T) {
	dir := t.TempDir()
	j := openIn(t, dir, nil)
	fill := strings.Repeat("x", segmentBytes-headerBytes-recordHeaderBytes)
	want := []string{fill, fill[:len(fill)-alignBytes], "first", fill[:len(fill)-int(recordBytes(5))]}
	commit(t, j, want[0])
	commit(t, j, want[1])
	rotate(t, j)
	commit(t, j, want[2])
	commit(t, j, want[3])
	closed(t, j)
	// Otherwise a sealed segment looks like one that a crash has left.
	again := openIn(t, dir, nil)
	if s := again.Stats(); s.Fsyncs != 0 {
		t.Errorf("a sealed segment was finished again: %+v", s)
	}
	wantContents(t, again, want)
}

func TestOpen_segmentThatCannotBeReadIsAnError(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, segmentName(1)), 0o700); err != nil {
		t.Fatal(err)
	}
	if j, err := Open(Config{Dir: dir}); !errors.Is(err, syscall.EISDIR) {
		t.Errorf("open gave %v", err)
		if err == nil {
			closed(t, j)
		}
	}
	// The directory is free again.
	if err := os.Remove(filepath.Join(dir, segmentName(1))); err != nil {
		t.Fatal(err)
	}
	commit(t, openIn(t, dir, nil), "here")
}

func TestOpen_goesOnInANewSegment(t *testing.T) {
	dir := t.TempDir()
	var want []string
	for n := range 4 {
		j := openIn(t, dir, nil)
		want = append(want, receipts(n, 2)...)
		commit(t, j, receipts(n, 2)...)
		if segments := j.Segments(); len(segments) != n+1 || segments[n].Number != uint64(n+1) {
			t.Errorf("run %d: segments %+v", n, segments)
		}
		wantContents(t, j, want)
		closed(t, j)
	}
}

func TestOpen_makesItsDirectory(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data", "ingest", "journal")
	commit(t, openIn(t, dir, nil), "here")
	info, err := os.Stat(dir)
	if err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("%v, %v: receipts are nobody else's business", info.Mode(), err)
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{file, filepath.Join(file, "below")} {
		if _, err := Open(Config{Dir: path}); err == nil {
			t.Errorf("%s was opened", path)
		}
	}
}

func TestOpen_leavesStrangersAloneAndClearsUnfinishedSegments(t *testing.T) {
	dir := t.TempDir()
	strangers := []string{"README", "1.journal", "000000000000000A.journal", "x.unfinished", "0000000000000001.journal.bak"}
	unfinished := segmentName(7) + unfinishedSuffix
	for _, name := range append(strangers, unfinished) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("?"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	j := openIn(t, dir, nil)
	if segments := j.Segments(); len(segments) != 0 {
		t.Errorf("segments %+v", segments)
	}
	for _, name := range strangers {
		if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
			t.Error(err)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, unfinished)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%s: %v", unfinished, err)
	}
	wantDamage(t, j, 0, 0, 0)
}

func TestOpen_refusesWhatCannotWork(t *testing.T) {
	for name, cfg := range map[string]Config{
		"no directory":          {},
		"no room for a record":  {Dir: t.TempDir(), SegmentBytes: headerBytes},
		"negative segments":     {Dir: t.TempDir(), SegmentBytes: -1},
		"limit under two files": {Dir: t.TempDir(), SegmentBytes: 1 << 20, BytesMax: 2<<20 - 1},
	} {
		if j, err := Open(cfg); err == nil {
			t.Errorf("%s: was opened", name)
			closed(t, j)
		}
	}
}

func TestOpen_zeroConfigWorks(t *testing.T) {
	j, err := Open(Config{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	commit(t, j, "first")
	if s := j.Stats(); s.Bytes != 64<<20 || s.Segments != 1 {
		t.Errorf("stats are %+v, want one segment of 64 MiB", s)
	}
	closed(t, j)
}

func TestOpen_secondOneIsRefusedUntilTheFirstEnds(t *testing.T) {
	cfg := Config{Dir: t.TempDir()}
	first := openIn(t, cfg.Dir, nil)
	runtime.GC() // the lock must not hang on something that is collected
	runtime.GC()
	if _, err := Open(cfg); !errors.Is(err, ErrInUse) {
		t.Errorf("a second journal on the directory gave %v", err)
	}
	commit(t, first, "undisturbed")
	closed(t, first)
	wantContents(t, openIn(t, cfg.Dir, nil), []string{"undisturbed"})
}

func TestClose_endsEverything(t *testing.T) {
	j := openIn(t, t.TempDir(), nil)
	commit(t, j, "kept")
	closed(t, j)
	closed(t, j)
	for what, err := range map[string]error{
		"Commit": j.Commit(raw([]string{"late"})),
		"Append": j.Append(t.Context(), []byte("late")),
		"Rotate": j.Rotate(),
		"Remove": j.Remove(1),
		"Read":   j.Read(t.Context(), 1, func(Record) error { return nil }),
	} {
		if !errors.Is(err, ErrClosed) {
			t.Errorf("%s after Close gave %v", what, err)
		}
	}
}

func TestClose_givesTheUnusedRoomBack(t *testing.T) {
	_, path := written(t, receipts(0, 3))
	info, err := os.Stat(path)
	if want := offsets(receipts(0, 3))[3]; err != nil || info.Size() != want {
		t.Errorf("the file has %d bytes, want %d; %v", info.Size(), want, err)
	}
}
