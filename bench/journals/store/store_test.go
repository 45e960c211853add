package store

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"

	"github.com/paybuf/paybuf/bench/journals/receipt"
)

func configIn(t *testing.T, dir string) Config {
	t.Helper()
	return Config{Dir: dir, SegmentBytes: 256 << 10, Say: func(line string) { t.Errorf("it warns: %s", line) }}
}

// fill appends the receipts 0 to count-1 from several callers.
func fill(t *testing.T, a Appender, count int) {
	t.Helper()
	const callers = 32
	var wg sync.WaitGroup
	for c := range callers {
		wg.Go(func() {
			for number := c; number < count; number += callers {
				if err := a.Append(receipt.Of(number)); err != nil {
					t.Errorf("append: %v", err)
					return
				}
			}
		})
	}
	wg.Wait()
}

// contents gives the numbers that a store hands out, each once.
func contents(t *testing.T, s Store) []int {
	t.Helper()
	seen := map[int]bool{}
	err := s.Read(func(payload []byte) {
		number, whole := receipt.Number(payload)
		if !whole || seen[number] {
			t.Errorf("%q is no receipt, or comes twice", payload)
		}
		seen[number] = true
	})
	if err != nil {
		t.Errorf("read: %v", err)
	}
	return slices.Sorted(maps.Keys(seen))
}

func upTo(count int) []int {
	all := make([]int, count)
	for number := range all {
		all[number] = number
	}
	return all
}

func TestStores_keepWhatManyCallersAppended(t *testing.T) {
	for _, kind := range Whole {
		t.Run(string(kind), func(t *testing.T) {
			dir := t.TempDir()
			s := opened(t, kind, dir)
			fill(t, s, 3000)
			if got := contents(t, s); !slices.Equal(got, upTo(3000)) {
				t.Errorf("%d receipts before it was closed", len(got))
			}
			closed(t, s)
			s = opened(t, kind, dir)
			defer closed(t, s)
			if got := contents(t, s); !slices.Equal(got, upTo(3000)) {
				t.Errorf("%d receipts after", len(got))
			}
			if files, err := Files(kind, dir); err != nil || len(files) == 0 {
				t.Errorf("files %v, %v", files, err)
			}
		})
	}
}

func TestRemoveOldHalf_keepsTheNewerHalfAndWhatComesLater(t *testing.T) {
	for _, kind := range Whole {
		t.Run(string(kind), func(t *testing.T) {
			dir := t.TempDir()
			s := opened(t, kind, dir)
			for number := range 40 { // in order, so that the old half is known
				fillFrom(t, s, number*100, 100)
			}
			if err := s.RemoveOldHalf(); err != nil {
				t.Fatal(err)
			}
			got := contents(t, s)
			if len(got) < 1800 || len(got) > 2600 || !slices.Contains(got, 3999) || slices.Contains(got, 0) {
				t.Errorf("%d receipts are left, from %d", len(got), got[0])
			}
			closed(t, s)
			s = opened(t, kind, dir)
			defer closed(t, s)
			fillFrom(t, s, 5000, 1)
			if again := contents(t, s); !slices.Equal(again, append(got, 5000)) {
				t.Errorf("%d receipts, want %d", len(again), len(got)+1)
			}
		})
	}
}

func fillFrom(t *testing.T, s Store, first, count int) {
	t.Helper()
	var wg sync.WaitGroup
	for n := range count {
		wg.Go(func() {
			if err := s.Append(receipt.Of(first + n)); err != nil {
				t.Errorf("append: %v", err)
			}
		})
	}
	wg.Wait()
}

func opened(t *testing.T, kind Kind, dir string) Store {
	t.Helper()
	s, err := Open(kind, configIn(t, dir))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func closed(t *testing.T, a Appender) {
	t.Helper()
	if err := a.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
}

func TestAppenders_writeWhatTheyAreGiven(t *testing.T) {
	for _, kind := range Kinds {
		t.Run(string(kind), func(t *testing.T) {
			dir := t.TempDir()
			a, err := OpenAppender(kind, configIn(t, dir))
			if err != nil {
				t.Fatal(err)
			}
			fill(t, a, 1000)
			closed(t, a)
			if bytes, err := DiskBytes(dir); err != nil || bytes < 100<<10 {
				t.Errorf("a thousand receipts take %d bytes, %v", bytes, err)
			}
		})
	}
}

func TestOpen_knowsOnlyItsStores(t *testing.T) {
	for _, kind := range []Kind{"", "river", Plain} {
		if _, err := Open(kind, configIn(t, t.TempDir())); !errors.Is(err, errKind) {
			t.Errorf("%q: %v", kind, err)
		}
	}
	if _, err := Files(Ours, t.TempDir()); err == nil {
		t.Error("an empty directory has files")
	}
}

func TestLoop_allOfAGroupShareACommitAndItsError(t *testing.T) {
	errDisk := errors.New("bad disk")
	begun, release := make(chan struct{}, 1), make(chan struct{})
	var sizes []int
	l := newLoop(func(payloads [][]byte) error {
		sizes = append(sizes, len(payloads))
		if len(sizes) == 1 {
			begun <- struct{}{}
			<-release
			return nil
		}
		return errDisk
	})
	first := make(chan error, 1)
	go func() { first <- l.Append([]byte("alone")) }()
	<-begun
	const waiting = 20
	groups := make([]*group, waiting)
	for i := range groups {
		g, err := l.join(fmt.Appendf(nil, "%d", i))
		if err != nil {
			t.Fatal(err)
		}
		groups[i] = g
	}
	close(release)
	if err := <-first; err != nil {
		t.Errorf("the first gave %v", err)
	}
	l.close()
	for _, g := range groups {
		if <-g.done; !errors.Is(g.err, errDisk) {
			t.Errorf("one of the group gave %v", g.err)
		}
	}
	if !slices.Equal(sizes, []int{1, waiting}) {
		t.Errorf("groups of %v", sizes)
	}
	if err := l.Append(nil); !errors.Is(err, errClosed) {
		t.Errorf("after close: %v", err)
	}
}
