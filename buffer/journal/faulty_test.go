package journal

import (
	"errors"
	"sync"
	"testing"
	"time"
)

var (
	errBadDisk = errors.New("input/output error")
	// errShort has a write end halfway, without an error of its own.
	errShort = errors.New("short write")
)

// faultyDisk is a real disk whose operations can be made to fail or to wait, and
// that remembers what it was asked for. The operations are create, rename,
// remove, syncdir, and write, truncate, sync and close of a file.
type faultyDisk struct {
	disk
	mu    sync.Mutex
	fails map[string][]error
	holds map[string]func()
	calls []string
}

func openFaulty(t testing.TB, dir string, d *faultyDisk) *Journal {
	t.Helper()
	cfg := Config{Dir: dir, SegmentBytes: segmentBytes, BytesMax: 512 << 20}
	j, err := open(cfg, func(real *directory) disk {
		d.disk = real
		return d
	})
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	t.Cleanup(func() { closed(t, j) })
	return j
}

// fail has the next operations of a kind fail.
func (d *faultyDisk) fail(op string, err error, times int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.fails == nil {
		d.fails = map[string][]error{}
	}
	for range times {
		d.fails[op] = append(d.fails[op], err)
	}
}

// hold has the next operation of a kind wait for release; busy tells that it
// does.
func (d *faultyDisk) hold(op string) (busy <-chan struct{}, release func()) {
	entered, released := make(chan struct{}), make(chan struct{})
	d.mu.Lock()
	defer d.mu.Unlock()
	d.holds = map[string]func(){op: func() {
		close(entered)
		<-released
	}}
	return entered, func() { close(released) }
}

// since gives the calls from the nth on.
func (d *faultyDisk) since(n int) []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return append([]string(nil), d.calls[n:]...)
}

func (d *faultyDisk) do(op, name string) error {
	d.mu.Lock()
	d.calls = append(d.calls, op+" "+name)
	var err error
	if fails := d.fails[op]; len(fails) > 0 {
		err, d.fails[op] = fails[0], fails[1:]
	}
	hold := d.holds[op]
	delete(d.holds, op)
	d.mu.Unlock()
	if hold != nil {
		hold()
	}
	return err
}

func (d *faultyDisk) Create(name string, bytes int64) (file, error) {
	if err := d.do("create", name); err != nil {
		return nil, err
	}
	f, err := d.disk.Create(name, bytes)
	return &faultyFile{file: f, d: d, name: name}, err
}

func (d *faultyDisk) Rename(from, to string) error {
	if err := d.do("rename", from); err != nil {
		return err
	}
	return d.disk.Rename(from, to)
}

func (d *faultyDisk) Remove(name string) error {
	if err := d.do("remove", name); err != nil {
		return err
	}
	return d.disk.Remove(name)
}

func (d *faultyDisk) Sync() error {
	if err := d.do("syncdir", ""); err != nil {
		return err
	}
	return d.disk.Sync()
}

type faultyFile struct {
	file
	d    *faultyDisk
	name string // under which it was created
}

func (f *faultyFile) WriteAt(p []byte, off int64) (int, error) {
	err := f.d.do("write", f.name)
	if errors.Is(err, errShort) {
		return f.file.WriteAt(p[:len(p)/2], off)
	}
	if err != nil {
		return 0, err
	}
	return f.file.WriteAt(p, off)
}

func (f *faultyFile) Truncate(bytes int64) error {
	if err := f.d.do("truncate", f.name); err != nil {
		return err
	}
	return f.file.Truncate(bytes)
}

func (f *faultyFile) Sync() error {
	if err := f.d.do("sync", f.name); err != nil {
		return err
	}
	return f.file.Sync()
}

func (f *faultyFile) Close() error {
	if err := f.d.do("close", f.name); err != nil {
		return errors.Join(err, f.file.Close())
	}
	return f.file.Close()
}

// await waits until a held operation has begun, at most 20 s.
func await(t testing.TB, busy <-chan struct{}) {
	t.Helper()
	select {
	case <-busy:
	case <-time.After(20 * time.Second):
		t.Fatal("the disk was never asked")
	}
}

// eventually polls until ok, at most 20 s.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	ticker := time.NewTicker(time.Millisecond)
	defer ticker.Stop()
	for deadline := time.Now().Add(20 * time.Second); !ok(); <-ticker.C {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}
