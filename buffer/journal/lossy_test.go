package journal

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
)

// sectorBytes is what a disk writes whole or not at all.
const sectorBytes = 512

// lossyDisk is a directory that loses in a power cut what was not synced: any
// sectors of its files, and the latest of its names. It never asks the real disk
// to sync. Its next operation of a kind can be made to fail, as in faultyDisk.
type lossyDisk struct {
	dir   string
	trash string // another directory
	files map[string]*lossyFile
	undo  []func() error // of the changes of names since the last Sync
	fails map[string]error
}

func (d *lossyDisk) path(name string) string { return filepath.Join(d.dir, name) }

// failing tells whether an operation is to fail, this once.
func (d *lossyDisk) failing(op string) error {
	err := d.fails[op]
	delete(d.fails, op)
	return err
}

func (d *lossyDisk) Create(name string, size int64) (file, error) {
	if err := d.failing("create"); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(d.path(name), os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, err
	}
	d.files[name] = &lossyFile{File: f, d: d, name: name}
	return d.files[name], f.Truncate(size)
}

func (d *lossyDisk) Rename(from, to string) error {
	if err := d.failing("rename"); err != nil {
		return err
	}
	d.undo = append(d.undo, func() error { return d.rename(to, from) })
	return d.rename(from, to)
}

func (d *lossyDisk) rename(from, to string) error {
	if f := d.files[from]; f != nil {
		delete(d.files, from)
		d.files[to], f.name = f, to
	}
	return os.Rename(d.path(from), d.path(to))
}

func (d *lossyDisk) Remove(name string) error {
	if err := d.failing("remove"); err != nil {
		return err
	}
	grave := filepath.Join(d.trash, fmt.Sprint(rand.Uint64()))
	if err := os.Rename(d.path(name), grave); err != nil {
		return err
	}
	f := d.files[name]
	delete(d.files, name)
	d.undo = append(d.undo, func() error {
		if f != nil {
			d.files[name] = f
		}
		return os.Rename(grave, d.path(name))
	})
	return nil
}

func (d *lossyDisk) Sync() error {
	if err := d.failing("syncdir"); err != nil {
		return err
	}
	d.undo = nil
	return nil
}

// flip changes a bit, on the disk and not only on its way there.
func (d *lossyDisk) flip(name string, off int64, bit int) error {
	data, err := os.ReadFile(d.path(name))
	if err != nil {
		return err
	}
	data[off] ^= 1 << bit
	if f := d.files[name]; f != nil && off < int64(len(f.durable)) {
		f.durable[off] = data[off]
	}
	return os.WriteFile(d.path(name), data, 0o600)
}

// cutPower leaves in the directory what a disk may hold after a power cut.
func (d *lossyDisk) cutPower(random *rand.Rand) error {
	for range random.IntN(len(d.undo) + 1) {
		last := len(d.undo) - 1
		if err := d.undo[last](); err != nil {
			return err
		}
		d.undo = d.undo[:last]
	}
	for name, f := range d.files {
		data, err := os.ReadFile(d.path(name))
		if err != nil {
			return err
		}
		if err := os.WriteFile(d.path(name), mix(random, f.durable, data), 0o600); err != nil {
			return err
		}
	}
	return nil
}

// mix takes each sector that differs from one or the other.
func mix(random *rand.Rand, durable, written []byte) []byte {
	lost := []float64{0, 0.5, 1}[random.IntN(3)]
	size := len(written)
	if random.Float64() < lost {
		size = len(durable)
	}
	result := make([]byte, size)
	copy(result, written)
	for from := 0; from < size; from += sectorBytes {
		if random.Float64() < lost {
			sector := result[from:min(from+sectorBytes, size)]
			clear(sector)
			copy(sector, durable[min(from, len(durable)):])
		}
	}
	return result
}

// lossyFile is a file of a lossyDisk.
type lossyFile struct {
	*os.File
	d       *lossyDisk
	name    string
	durable []byte // as of the last Sync
	// dropped tells that a Sync failed: as with a real kernel, what was to be
	// synced then is forgotten, and the next Sync succeeds without it.
	dropped bool
}

func (f *lossyFile) WriteAt(p []byte, off int64) (int, error) {
	err := f.d.failing("write")
	if errors.Is(err, errShort) {
		return f.File.WriteAt(p[:len(p)/2], off)
	}
	if err != nil {
		return 0, err
	}
	return f.File.WriteAt(p, off)
}

func (f *lossyFile) Truncate(size int64) error {
	if err := f.d.failing("truncate"); err != nil {
		return err
	}
	return f.File.Truncate(size)
}

func (f *lossyFile) Sync() error {
	if err := f.d.failing("sync"); err != nil {
		f.dropped = true
		return err
	}
	data, err := os.ReadFile(f.d.path(f.name))
	if err != nil {
		return err
	}
	if f.dropped {
		f.durable = f.durable[:min(len(f.durable), len(data))]
		return nil
	}
	f.durable = data
	return nil
}
