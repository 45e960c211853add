package journal

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestRotate_sealsOnlyWhatHasRecords(t *testing.T) {
	j := openIn(t, t.TempDir(), nil)
	rotate(t, j)
	if segments := j.Segments(); len(segments) != 0 {
		t.Errorf("rotating nothing gave %+v", segments)
	}
	before := time.Now()
	commit(t, j, "one", "two")
	if s := j.Segments()[0]; !s.Active || !s.SealedAt.IsZero() || s.CreatedAt.Before(before.Truncate(time.Millisecond)) {
		t.Errorf("the active segment is %+v", s)
	}
	rotate(t, j)
	rotate(t, j)
	s := j.Segments()[0]
	if s.Active || s.SealedAt.Before(s.CreatedAt.Truncate(time.Millisecond)) || s.Bytes != offsets([]string{"one", "two"})[2] {
		t.Errorf("the sealed segment is %+v", s)
	}
	commit(t, j, "three")
	if segments := j.Segments(); len(segments) != 2 || !segments[1].Active {
		t.Errorf("segments are %+v", segments)
	}
	wantContents(t, j, []string{"one", "two", "three"})
}

func TestSegments_areTheSameAfterARestart(t *testing.T) {
	dir := t.TempDir()
	j := openIn(t, dir, nil)
	for n := range 3 {
		commit(t, j, receipts(n, 3)...)
		rotate(t, j)
	}
	before := j.Segments()
	closed(t, j)
	after := openIn(t, dir, nil).Segments()
	if len(after) != len(before) {
		t.Fatalf("%d segments, want %d", len(after), len(before))
	}
	for i := range after {
		a, b := after[i], before[i]
		if a.Number != b.Number || a.Bytes != b.Bytes || a.Active || !a.CreatedAt.Equal(b.CreatedAt.Truncate(time.Millisecond)) {
			t.Errorf("segment is %+v, was %+v", a, b)
		}
		if a.SealedAt.Before(b.CreatedAt.Truncate(time.Second)) {
			t.Errorf("segment %d is sealed at %s, was created at %s", a.Number, a.SealedAt, b.CreatedAt)
		}
	}
}

func TestRemove_takesOnlySealedSegments(t *testing.T) {
	dir := t.TempDir()
	j := openIn(t, dir, nil)
	commit(t, j, "audited")
	if err := j.Remove(1); !errors.Is(err, ErrActive) {
		t.Errorf("removing the active segment gave %v", err)
	}
	rotate(t, j)
	commit(t, j, "not audited")
	if err := j.Remove(1); err != nil {
		t.Error(err)
	}
	for _, number := range []uint64{0, 1, 3} {
		if err := j.Remove(number); !errors.Is(err, ErrNoSegment) {
			t.Errorf("removing segment %d gave %v", number, err)
		}
		if err := j.Read(t.Context(), number, nil); !errors.Is(err, ErrNoSegment) {
			t.Errorf("reading segment %d gave %v", number, err)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, segmentName(1))); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the file: %v", err)
	}
	wantContents(t, j, []string{"not audited"})
	closed(t, j)
	wantContents(t, openIn(t, dir, nil), []string{"not audited"})
}

func TestRemove_ofAFileThatIsGoneSucceeds(t *testing.T) {
	dir := t.TempDir()
	j := openIn(t, dir, nil)
	commit(t, j, "audited")
	rotate(t, j)
	if err := os.Remove(filepath.Join(dir, segmentName(1))); err != nil {
		t.Fatal(err)
	}
	if err := j.Read(t.Context(), 1, nil); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("reading gave %v", err)
	}
	if err := j.Remove(1); err != nil || len(j.Segments()) != 0 {
		t.Errorf("removing gave %v, segments are %+v", err, j.Segments())
	}
}

func TestOpen_gapsInTheSequenceAreNoDamage(t *testing.T) {
	dir := t.TempDir()
	j := openIn(t, dir, nil)
	for _, payload := range []string{"one", "two", "three"} {
		commit(t, j, payload)
		rotate(t, j)
	}
	closed(t, j)
	if err := os.Remove(filepath.Join(dir, segmentName(2))); err != nil {
		t.Fatal(err)
	}
	j = openIn(t, dir, nil)
	wantContents(t, j, []string{"one", "three"})
	wantDamage(t, j, 0, 0, 0)
	commit(t, j, "four")
	if got := segmentOf(t, j, 4); !slices.Equal(got, []string{"four"}) {
		t.Errorf("segment 4 holds %q", got)
	}
}

func TestCommit_fullJournalTakesReceiptsAgainAfterRemove(t *testing.T) {
	j := openIn(t, t.TempDir(), func(c *Config) { c.BytesMax = 2 * segmentBytes })
	big := strings.Repeat("x", segmentBytes*3/4)
	commit(t, j, big)
	commit(t, j, big)
	before := j.Stats()
	if err := j.Commit(raw([]string{"first of two", big})); !errors.Is(err, ErrFull) {
		t.Fatalf("the third big receipt gave %v", err)
	}
	if s := j.Stats(); s.Failures != before.Failures+1 || s.Bytes > 2*segmentBytes || s.Records != 2 {
		t.Errorf("stats are %+v", s)
	}
	commit(t, j, "small enough for the active segment")
	if err := j.Remove(1); err != nil {
		t.Fatal(err)
	}
	commit(t, j, big)
	wantContents(t, j, []string{big, "small enough for the active segment", big})
}

func TestRead_endsWithItsCallersErrorOrContext(t *testing.T) {
	j := openIn(t, t.TempDir(), nil)
	commit(t, j, receipts(0, 10)...)
	enough := errors.New("enough")
	calls := 0
	err := j.Read(t.Context(), 1, func(Record) error {
		if calls++; calls == 3 {
			return enough
		}
		return nil
	})
	if !errors.Is(err, enough) || calls != 3 {
		t.Errorf("after %d calls: %v", calls, err)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(enough)
	if err := j.Read(ctx, 1, func(Record) error { return nil }); !errors.Is(err, enough) {
		t.Errorf("with an ended context: %v", err)
	}
}

func TestRead_activeSegmentUpToWhatIsDurable(t *testing.T) {
	j := openIn(t, t.TempDir(), nil)
	var want []string
	for n := range 30 {
		commit(t, j, receipts(n, 1)...)
		want = append(want, receipts(n, 1)...)
		wantContents(t, j, want)
	}
	wantDamage(t, j, 0, 0, 0)
}

func TestParseSegmentName_onlyOurs(t *testing.T) {
	for _, number := range []uint64{0, 1, 42, 1<<64 - 2} {
		if got, ok := parseSegmentName(segmentName(number)); !ok || got != number {
			t.Errorf("%s is %d, %v", segmentName(number), got, ok)
		}
	}
	for _, name := range []string{"", ".journal", "1.journal", "00000000000000010.journal", "000000000000000A.journal", "+000000000000001.journal", "ffffffffffffffff.journal", "0000000000000001"} {
		if number, ok := parseSegmentName(name); ok {
			t.Errorf("%q is taken for segment %d", name, number)
		}
	}
}
