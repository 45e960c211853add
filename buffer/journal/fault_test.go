package journal

import (
	"errors"
	"io"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
)

func TestCommit_failedWriteOrSyncGoesOnInANewSegment(t *testing.T) {
	for _, fault := range []struct {
		name string
		op   string
		err  error
		want error
	}{
		{"fdatasync fails", "sync", syscall.EIO, syscall.EIO},
		{"write fails", "write", syscall.EIO, syscall.EIO},
		{"short write", "write", errShort, io.ErrShortWrite},
		{"no space although allocated", "write", syscall.ENOSPC, ErrNoSpace},
		{"no space at the sync", "sync", syscall.ENOSPC, ErrNoSpace},
		{"over quota", "write", syscall.EDQUOT, ErrNoSpace},
	} {
		t.Run(fault.name, func(t *testing.T) {
			d := &faultyDisk{}
			dir := t.TempDir()
			j := openFaulty(t, dir, d)
			commit(t, j, "durable")
			d.fail(fault.op, fault.err, 1)
			if err := j.Commit(raw([]string{"failed"})); !errors.Is(err, fault.want) {
				t.Fatalf("commit gave %v, want %v", err, fault.want)
			}
			failed := len(d.since(0))
			commit(t, j, "next")
			commit(t, j, "and next")
			for _, call := range d.since(failed) {
				if strings.Contains(call, segmentName(1)) {
					t.Errorf("%q after its segment had failed", call)
				}
			}
			wantContents(t, j, []string{"durable", "next", "and next"})
			if segments := j.Segments(); len(segments) != 2 || segments[0].Active || !segments[1].Active {
				t.Errorf("segments are %+v", segments)
			}
			if s := j.Stats(); s.Failures != 1 || s.Records != 3 {
				t.Errorf("stats are %+v", s)
			}
			closed(t, j)
			again := openIn(t, dir, nil)
			wantContents(t, again, []string{"durable", "next", "and next"})
			wantDamage(t, again, 0, 0, 0)
		})
	}
}

func TestCommit_failingDiskThatCannotSealEither(t *testing.T) {
	d := &faultyDisk{}
	dir := t.TempDir()
	j := openFaulty(t, dir, d)
	commit(t, j, "durable")
	d.fail("sync", errBadDisk, 1)
	d.fail("truncate", errBadDisk, 1)
	if err := j.Commit(raw([]string{"failed"})); !errors.Is(err, errBadDisk) {
		t.Fatalf("commit gave %v", err)
	}
	failed := len(d.since(0))
	commit(t, j, "next")
	if calls := d.since(failed); slices.ContainsFunc(calls, func(call string) bool { return strings.Contains(call, segmentName(1)) }) {
		t.Errorf("the failed segment was touched: %q", calls)
	}
	// This process knows where the durable part ends.
	wantContents(t, j, []string{"durable", "next"})
	wantDamage(t, j, 0, 0, 0)
	closed(t, j)
	// The next finds what it finds; it may be more, never less.
	again := openIn(t, dir, nil)
	if got := contents(t, again); !slices.Equal(got, []string{"durable", "failed", "next"}) {
		t.Errorf("the journal holds %q", got)
	}
	wantDamage(t, again, 0, 0, 0)
}

func TestCommit_failureOfTheFirstGroupLeavesNoSegment(t *testing.T) {
	for _, op := range []string{"write", "sync"} {
		d := &faultyDisk{}
		dir := t.TempDir()
		j := openFaulty(t, dir, d)
		busy, release := d.hold("rename") // the header is durable by then
		result := make(chan error, 1)
		go func() { result <- j.Commit(raw([]string{"failed"})) }()
		await(t, busy)
		d.fail(op, errBadDisk, 1)
		release()
		if err := <-result; !errors.Is(err, errBadDisk) {
			t.Fatalf("%s: commit gave %v", op, err)
		}
		wantFiles(t, dir, 0)
		if s := j.Stats(); s.Segments != 0 || s.Bytes != 0 {
			t.Errorf("%s: stats are %+v", op, s)
		}
		commit(t, j, "next")
		wantContents(t, j, []string{"next"})
	}
}

func TestCommit_segmentThatCannotBeMadeLeavesNothing(t *testing.T) {
	for _, op := range []string{"create", "write", "sync", "rename", "syncdir"} {
		for _, fault := range []struct{ err, want error }{{errBadDisk, errBadDisk}, {syscall.ENOSPC, ErrNoSpace}} {
			d := &faultyDisk{}
			dir := t.TempDir()
			j := openFaulty(t, dir, d)
			d.fail(op, fault.err, 1)
			if err := j.Commit(raw([]string{"failed"})); !errors.Is(err, fault.want) {
				t.Errorf("%s: commit gave %v, want %v", op, err, fault.want)
			}
			wantFiles(t, dir, 0)
			commit(t, j, "next")
			wantContents(t, j, []string{"next"})
			wantFiles(t, dir, 1)
		}
	}
}

func TestCommit_noSpaceLeavesTheActiveSegmentInUse(t *testing.T) {
	d := &faultyDisk{}
	dir := t.TempDir()
	j := openFaulty(t, dir, d)
	big := strings.Repeat("x", 50<<10)
	commit(t, j, big)
	d.fail("create", syscall.ENOSPC, 3)
	for range 3 {
		if err := j.Commit(raw([]string{"part of the group", big})); !errors.Is(err, ErrNoSpace) {
			t.Fatalf("commit gave %v", err)
		}
	}
	commit(t, j, "fits")
	wantContents(t, j, []string{big, "fits"})
	commit(t, j, big)
	wantContents(t, j, []string{big, "fits", big})
	wantFiles(t, dir, 2)
}

func TestCommit_goesOnIfTheFullSegmentCannotBeSealed(t *testing.T) {
	for _, op := range []string{"truncate", "close"} {
		d := &faultyDisk{}
		j := openFaulty(t, t.TempDir(), d)
		big := strings.Repeat("x", 50<<10)
		commit(t, j, big)
		d.fail(op, errBadDisk, 1)
		commit(t, j, big)
		wantContents(t, j, []string{big, big})
		if segments := j.Segments(); segments[0].Active || !segments[1].Active {
			t.Errorf("%s: segments are %+v", op, segments)
		}
		// What cannot be given back still counts.
		if s := j.Stats(); op == "truncate" && s.Bytes != 2*segmentBytes {
			t.Errorf("%s: %d bytes are counted, want both segments whole", op, s.Bytes)
		}
	}
}

func TestRotateAndRemove_giveTheDisksErrors(t *testing.T) {
	d := &faultyDisk{}
	j := openFaulty(t, t.TempDir(), d)
	commit(t, j, "one")
	d.fail("truncate", errBadDisk, 1)
	if err := j.Rotate(); !errors.Is(err, errBadDisk) {
		t.Errorf("rotate gave %v", err)
	}
	d.fail("remove", errBadDisk, 1)
	if err := j.Remove(1); !errors.Is(err, errBadDisk) {
		t.Errorf("remove gave %v", err)
	}
	wantContents(t, j, []string{"one"})
	d.fail("syncdir", errBadDisk, 1)
	if err := j.Remove(1); !errors.Is(err, errBadDisk) {
		t.Errorf("remove gave %v", err)
	}
	wantContents(t, j, nil)
}

func wantFiles(t testing.TB, dir string, want int) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != want {
		t.Errorf("%d files %v, want %d; %v", len(entries), entries, want, err)
	}
}
