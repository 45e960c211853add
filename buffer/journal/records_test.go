package journal

import (
	"context"
	"errors"
	"slices"
	"testing"
)

// wantRecords checks what the journal knows of how many records each segment has.
func wantRecords(t *testing.T, j *Journal, when string, want ...int64) {
	t.Helper()
	var got []int64
	for _, s := range j.Segments() {
		got = append(got, s.Records)
	}
	if !slices.Equal(got, want) {
		t.Errorf("%s: the segments have %d records, want %d", when, got, want)
	}
}

func TestRecords_areCountedAsTheyAreAppendedAndGoWithTheirSegment(t *testing.T) {
	j := openIn(t, t.TempDir(), nil)
	commit(t, j, receipts(0, 3)...)
	commit(t, j, receipts(3, 2)...)
	wantRecords(t, j, "active", 5)
	rotate(t, j)
	if err := j.Append(t.Context(), []byte("single")); err != nil {
		t.Fatal(err)
	}
	wantRecords(t, j, "one sealed, one active", 5, 1)
	contents(t, j)
	wantRecords(t, j, "read", 5, 1)
	if err := j.Remove(1); err != nil {
		t.Fatal(err)
	}
	wantRecords(t, j, "removed", 1)
}

func TestRecords_ofAnEarlierRunAreKnownWhenAllWasRead(t *testing.T) {
	dir, _ := written(t, receipts(0, 10))
	j := openIn(t, dir, nil)
	wantRecords(t, j, "opened", 0)

	enough := errors.New("enough")
	if err := j.Read(t.Context(), 1, func(Record) error { return enough }); !errors.Is(err, enough) {
		t.Errorf("reading gave %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := j.Read(ctx, 1, func(Record) error { return nil }); !errors.Is(err, context.Canceled) {
		t.Errorf("reading gave %v", err)
	}
	wantRecords(t, j, "read in part", 0)

	commit(t, j, "of this run")
	for range 2 {
		contents(t, j)
		wantRecords(t, j, "read whole", 10, 1)
	}
	if err := j.Remove(1); err != nil {
		t.Fatal(err)
	}
	wantRecords(t, j, "removed", 1)
}

func TestRecords_ofACrashedSegmentAreKnownFromTheStart(t *testing.T) {
	dir, path := written(t, receipts(0, 4))
	edit(t, path, func(b []byte) []byte { return crashed(append(b, "half a record"...)) })
	wantRecords(t, openIn(t, dir, nil), "opened", 4)
}

func TestRecords_damagedOnesDoNotCount(t *testing.T) {
	payloads := receipts(0, 4)
	dir, path := written(t, payloads)
	edit(t, path, func(b []byte) []byte {
		b[offsets(payloads)[1]+recordHeaderBytes] ^= 1
		return b
	})
	j := openIn(t, dir, nil)
	contents(t, j)
	wantRecords(t, j, "one of four damaged", 3)
}

func TestRecords_failedCommitDoesNotCount(t *testing.T) {
	d := &faultyDisk{}
	j := openFaulty(t, t.TempDir(), d)
	commit(t, j, receipts(0, 3)...)
	d.fail("sync", errBadDisk, 1)
	if err := j.Commit(raw(receipts(3, 2))); !errors.Is(err, errBadDisk) {
		t.Errorf("commit gave %v", err)
	}
	wantRecords(t, j, "after a failure", 3)
	commit(t, j, receipts(5, 1)...)
	wantRecords(t, j, "in the next segment", 3, 1)
}

// A reader that began before an append has counted too few when it ends.
func TestRecords_appendedWhileReadingStayCounted(t *testing.T) {
	j := openIn(t, t.TempDir(), nil)
	commit(t, j, receipts(0, 2)...)
	err := j.Read(t.Context(), 1, func(Record) error { return j.Commit(raw(receipts(2, 1))) })
	if err != nil {
		t.Fatal(err)
	}
	wantRecords(t, j, "appended to by the reader", 4)
}
