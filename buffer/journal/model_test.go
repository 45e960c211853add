package journal

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// world is a journal on a disk that loses, lies and fails, and what may be
// expected of it.
type world struct {
	dir, trash string
	d          *lossyDisk
	j          *Journal

	next    int
	tried   map[string]bool // given to a Commit
	acked   map[string]bool // and acknowledged, and neither removed nor damaged since
	gone    map[string]bool // removed or damaged: must not come back
	damaged map[uint64]bool // segments with a flipped bit
}

func TestJournal_keepsItsPromiseOnAnyDisk(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		dir, err := os.MkdirTemp("", "journal")
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = os.RemoveAll(dir) }()
		w := &world{
			dir: filepath.Join(dir, "journal"), trash: filepath.Join(dir, "trash"),
			tried: map[string]bool{}, acked: map[string]bool{}, gone: map[string]bool{}, damaged: map[uint64]bool{},
		}
		if err := os.Mkdir(w.trash, 0o700); err != nil {
			t.Fatal(err)
		}
		w.open(t)
		defer func() { w.abandon() }()
		t.Repeat(map[string]func(*rapid.T){
			"":             w.check,
			"commit":       w.commit,
			"commit more":  w.commit,
			"commit fails": w.commitOnAFailingDisk,
			"rotate":       w.rotate,
			"remove":       w.remove,
			"restart":      w.restart,
			"power cut":    w.powerCut,
			"flip a bit":   w.flip,
		})
	})
}

func (w *world) open(t *rapid.T) {
	j, err := open(Config{Dir: w.dir, SegmentBytes: 16 << 10, BytesMax: 1 << 30}, func(*directory) disk {
		w.d = &lossyDisk{dir: w.dir, trash: w.trash, files: map[string]*lossyFile{}, fails: map[string]error{}}
		return w.d
	})
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	w.j = j
}

// abandon drops a journal as the end of its process does.
func (w *world) abandon() {
	w.j.queue.close()
	w.j.appends.Wait()
	_ = w.j.dir.close()
	for _, f := range w.d.files {
		_ = f.Close() // perhaps it is already
	}
}

// check compares what Read hands out with what it must and must not.
func (w *world) check(t *rapid.T) {
	for _, s := range w.j.segments {
		if !s.salted {
			t.Fatalf("segment %d has no header", s.Number)
		}
	}
	found := map[string]bool{}
	last := -1
	for _, s := range w.j.Segments() {
		err := w.j.Read(t.Context(), s.Number, func(r Record) error {
			payload := string(r.Payload)
			var n int
			if _, err := fmt.Sscanf(payload, "%d", &n); err != nil || !w.tried[payload] {
				t.Fatalf("%.50q was never appended", payload)
			}
			if w.gone[payload] {
				t.Fatalf("%.50q has come back", payload)
			}
			if n <= last {
				t.Fatalf("%.50q comes behind %d", payload, last)
			}
			last = n
			found[payload] = true
			return nil
		})
		if err != nil {
			t.Fatalf("read: %v", err)
		}
	}
	for payload := range w.acked {
		if !found[payload] {
			t.Fatalf("%.50q was acknowledged and is lost; segments %+v", payload, w.j.Segments())
		}
	}
}

// group draws payloads that begin with rising numbers.
func (w *world) group(t *rapid.T) []string {
	bytes := rapid.OneOf(rapid.IntRange(0, 60), rapid.IntRange(400, 1200), rapid.IntRange(0, 24<<10))
	group := make([]string, rapid.IntRange(1, 6).Draw(t, "records"))
	for i := range group {
		group[i] = fmt.Sprintf("%d %s", w.next, strings.Repeat("x", bytes.Draw(t, "bytes")))
		w.next++
		w.tried[group[i]] = true
	}
	return group
}

func (w *world) acknowledge(group []string) {
	for _, payload := range group {
		w.acked[payload] = true
	}
}

func (w *world) commit(t *rapid.T) {
	group := w.group(t)
	if err := w.j.Commit(raw(group)); err != nil {
		t.Fatalf("commit: %v", err)
	}
	w.acknowledge(group)
}

func (w *world) commitOnAFailingDisk(t *rapid.T) {
	for range rapid.IntRange(1, 2).Draw(t, "faults") {
		op := rapid.SampledFrom([]string{"create", "write", "sync", "truncate", "rename", "remove", "syncdir"}).Draw(t, "op")
		w.d.fails[op] = errBadDisk
		if op == "write" && rapid.Bool().Draw(t, "short") {
			w.d.fails[op] = errShort
		}
	}
	group := w.group(t)
	if err := w.j.Commit(raw(group)); err == nil {
		w.acknowledge(group)
	}
	clear(w.d.fails)
}

func (w *world) rotate(t *rapid.T) {
	if err := w.j.Rotate(); err != nil {
		t.Fatalf("rotate: %v", err)
	}
}

// pick draws one of the segments that fit, if there is one.
func (w *world) pick(t *rapid.T, fit func(Segment) bool) (s Segment, ok bool) {
	segments := slices.DeleteFunc(w.j.Segments(), func(s Segment) bool { return !fit(s) })
	if len(segments) == 0 {
		return Segment{}, false
	}
	return rapid.SampledFrom(segments).Draw(t, "segment"), true
}

func (w *world) remove(t *rapid.T) {
	s, ok := w.pick(t, func(s Segment) bool { return !s.Active })
	if !ok {
		return
	}
	err := w.j.Read(t.Context(), s.Number, func(r Record) error {
		w.gone[string(r.Payload)] = true
		delete(w.acked, string(r.Payload))
		return nil
	})
	if err := errors.Join(err, w.j.Remove(s.Number)); err != nil {
		t.Fatalf("remove: %v", err)
	}
}

func (w *world) restart(t *rapid.T) {
	if err := w.j.Close(); err != nil {
		t.Fatalf("close: %v", err)
	}
	w.open(t)
}

func (w *world) powerCut(t *rapid.T) {
	w.abandon()
	random := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
	if err := w.d.cutPower(random); err != nil {
		t.Fatal(err)
	}
	w.open(t)
}

// flip damages one record that is on the disk.
func (w *world) flip(t *rapid.T) {
	s, ok := w.pick(t, func(s Segment) bool { return s.SkippedBytes == 0 && !w.damaged[s.Number] })
	if !ok {
		return
	}
	var payloads []string
	err := w.j.Read(t.Context(), s.Number, func(r Record) error {
		payloads = append(payloads, string(r.Payload))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	ends := offsets(payloads)
	if ends[len(payloads)] != s.Bytes {
		t.Fatalf("%d records take %d bytes, the segment %+v", len(payloads), ends[len(payloads)], s)
	}
	i := rapid.IntRange(0, len(payloads)-1).Draw(t, "record")
	off := ends[i] + int64(rapid.IntRange(0, recordHeaderBytes+len(payloads[i])-1).Draw(t, "byte"))
	if err := w.d.flip(segmentName(s.Number), off, rapid.IntRange(0, 7).Draw(t, "bit")); err != nil {
		t.Fatal(err)
	}
	w.damaged[s.Number] = true
	w.gone[payloads[i]] = true
	delete(w.acked, payloads[i])
	before := w.j.Stats()
	w.check(t)
	after := w.j.Stats()
	if after.CorruptRegions != before.CorruptRegions+1 ||
		after.SkippedBytes != before.SkippedBytes+recordBytes(len(payloads[i])) {
		t.Fatalf("one record of %d bytes was damaged, stats went from %+v to %+v",
			recordBytes(len(payloads[i])), before, after)
	}
}
