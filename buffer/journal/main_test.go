package journal

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"
)

// segmentBytes is small, so that tests fill many segments.
const segmentBytes = 64 << 10

func TestMain(m *testing.M) {
	if role := os.Getenv(childRole); role != "" {
		os.Exit(runChild(role))
	}
	goleak.VerifyTestMain(m)
}

// openIn opens a journal with small segments; change may be nil.
func openIn(t testing.TB, dir string, change func(*Config)) *Journal {
	t.Helper()
	cfg := Config{Dir: dir, SegmentBytes: segmentBytes, BytesMax: 64 << 20}
	if change != nil {
		change(&cfg)
	}
	j, err := Open(cfg)
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	t.Cleanup(func() { closed(t, j) })
	return j
}

func closed(t testing.TB, j *Journal) {
	t.Helper()
	if err := j.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
}

// receipts gives n payloads of different lengths, from a number on.
func receipts(from, n int) []string {
	all := make([]string, n)
	for i := range all {
		all[i] = fmt.Sprintf("receipt %d %s", from+i, strings.Repeat("x", (from+i)%19))
	}
	return all
}

func raw(payloads []string) [][]byte {
	group := make([][]byte, len(payloads))
	for i, payload := range payloads {
		group[i] = []byte(payload)
	}
	return group
}

func commit(t testing.TB, j *Journal, payloads ...string) {
	t.Helper()
	if err := j.Commit(raw(payloads)); err != nil {
		t.Fatalf("commit: %v", err)
	}
}

func rotate(t testing.TB, j *Journal) {
	t.Helper()
	if err := j.Rotate(); err != nil {
		t.Fatalf("rotate: %v", err)
	}
}

// segment reads one segment.
func segmentOf(t testing.TB, j *Journal, number uint64) []string {
	t.Helper()
	var found []string
	err := j.Read(t.Context(), number, func(r Record) error {
		found = append(found, string(r.Payload))
		return nil
	})
	if err != nil {
		t.Fatalf("read: %v", err)
	}
	return found
}

// contents reads all segments.
func contents(t testing.TB, j *Journal) []string {
	t.Helper()
	var found []string
	for _, s := range j.Segments() {
		found = append(found, segmentOf(t, j, s.Number)...)
	}
	return found
}

func wantContents(t testing.TB, j *Journal, want []string) {
	t.Helper()
	if got := contents(t, j); !slices.Equal(got, want) {
		t.Errorf("the journal holds %d receipts %.300q, want %d %.300q", len(got), got, len(want), want)
	}
}

// wantDamage checks the counters that tell of damage.
func wantDamage(t testing.TB, j *Journal, torn, corrupt uint64, skipped int64) {
	t.Helper()
	s := j.Stats()
	if s.TornTails != torn || s.CorruptRegions != corrupt || s.SkippedBytes != skipped {
		t.Errorf("%d torn tails, %d corrupt regions, %d bytes skipped; want %d, %d, %d",
			s.TornTails, s.CorruptRegions, s.SkippedBytes, torn, corrupt, skipped)
	}
}

// offsets gives where each payload's record begins in a segment that holds just
// these, and where the last one ends.
func offsets(payloads []string) []int64 {
	all := []int64{headerBytes}
	for _, payload := range payloads {
		all = append(all, all[len(all)-1]+recordBytes(len(payload)))
	}
	return all
}

// written makes a directory with one sealed segment, and gives its path.
func written(t testing.TB, payloads []string) (dir, path string) {
	t.Helper()
	dir = t.TempDir()
	j := openIn(t, dir, nil)
	commit(t, j, payloads...)
	closed(t, j)
	return dir, filepath.Join(dir, segmentName(1))
}

// edit changes the bytes of a file.
func edit(t testing.TB, path string, change func([]byte) []byte) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, change(data), 0o600); err != nil {
		t.Fatal(err)
	}
}

// logBook collects what is logged.
type logBook struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *logBook) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *logBook) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

func (b *logBook) logger() *slog.Logger { return slog.New(slog.NewTextHandler(b, nil)) }
