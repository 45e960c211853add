package journal

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
)

func TestKill9_everythingAcknowledgedIsThere(t *testing.T) {
	for round := range 20 {
		dir := t.TempDir()
		var all []int
		for life := range 2 { // the second begins on what the first left
			numbers := acknowledged(t, child(t, roleAppend, dir), 40+round*61, func() {})
			found := map[string]int{}
			j := openIn(t, dir, nil)
			for _, payload := range contents(t, j) {
				found[payload]++
			}
			all = append(all, numbers...)
			for _, n := range all {
				if found[payloadOf(n)] == 0 {
					t.Errorf("round %d, life %d: %d was acknowledged and is lost", round, life, n)
				}
			}
			if s := j.Stats(); s.CorruptRegions != 0 {
				t.Errorf("round %d, life %d: stats are %+v", round, life, s)
			}
			closed(t, j)
		}
	}
}

func TestOpen_directoryOfALivingProcessIsRefused(t *testing.T) {
	dir := t.TempDir()
	acknowledged(t, child(t, roleAppend, dir), 100, func() {
		if _, err := Open(Config{Dir: dir}); !errors.Is(err, ErrInUse) {
			t.Errorf("open gave %v", err)
		}
	})
	closed(t, openIn(t, dir, nil))
}

func TestOpen_copyTakenAtAnyMomentHoldsWhatWasAcknowledged(t *testing.T) {
	dir := t.TempDir()
	j := openIn(t, dir, nil)
	var acks sync.Map
	var count atomic.Int64
	var stop atomic.Bool
	var wg sync.WaitGroup
	for c := range 8 {
		wg.Go(func() {
			for n := 0; !stop.Load(); n++ {
				payload := fmt.Sprintf("%d/%s", c, payloadOf(n))
				if err := j.Append(t.Context(), []byte(payload)); err != nil {
					t.Errorf("append: %v", err)
					return
				}
				acks.Store(payload, true)
				count.Add(1)
			}
		})
	}
	for round := range 25 {
		eventually(t, "some receipts more", func() bool { return count.Load() > int64(round*97) })
		want := map[string]bool{}
		acks.Range(func(payload, _ any) bool {
			want[payload.(string)] = true
			return true
		})
		image := copyOf(t, dir)
		reopen(t, image, func(copied *Journal) {
			for _, payload := range contents(t, copied) {
				delete(want, payload)
			}
		})
		if len(want) > 0 {
			t.Errorf("%d acknowledged receipts are not in a copy taken afterwards", len(want))
		}
	}
	stop.Store(true)
	wg.Wait()
}

// copyOf copies the segments, the newest first: as in a crash, none may then lack
// what was written before the ones behind it.
func copyOf(t *testing.T, dir string) string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	image := t.TempDir()
	for _, entry := range slices.Backward(entries) {
		data, err := os.ReadFile(filepath.Join(dir, entry.Name()))
		if errors.Is(err, fs.ErrNotExist) {
			continue // it got its name meanwhile
		}
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(image, entry.Name()), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return image
}
