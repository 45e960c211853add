package journal

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// disk is what the journal changes in its directory. It stands between so that
// tests can have it fail, or lose what was not synced, as a real disk does.
type disk interface {
	// Create makes a new file of that many zeros, with room for them, or nothing.
	Create(name string, bytes int64) (file, error)
	Rename(from, to string) error
	Remove(name string) error
	// Sync makes durable which names there are.
	Sync() error
}

// file is a segment that is being written.
type file interface {
	WriteAt(p []byte, off int64) (int, error)
	Truncate(bytes int64) error
	// Sync makes the contents durable, and the size.
	Sync() error
	Close() error
}

// directory is the journal's own, locked and open. It is the real disk.
type directory struct {
	root *os.Root
	// fd holds the flock, which the kernel frees however the process ends. It is a
	// bare descriptor, since an os.File closes itself when it is garbage.
	fd int
}

// openDirectory makes the directory if it is missing and locks it, or gives
// ErrInUse.
func openDirectory(path string) (*directory, error) {
	if err := makeDirectory(path); err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(path)
	if err != nil {
		return nil, err
	}
	fd, err := syscall.Open(path, syscall.O_RDONLY|syscall.O_CLOEXEC, 0)
	if err != nil {
		return nil, errors.Join(&fs.PathError{Op: "open", Path: path, Err: err}, root.Close())
	}
	d := &directory{root: root, fd: fd}
	err = uninterrupted(func() error { return syscall.Flock(fd, syscall.LOCK_EX|syscall.LOCK_NB) })
	if errors.Is(err, syscall.EWOULDBLOCK) {
		err = ErrInUse
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("lock %s: %w", path, err), d.close())
	}
	return d, nil
}

// makeDirectory also makes durable that the directory is there: receipts within
// one that a power cut takes away are lost like any other.
func makeDirectory(path string) error {
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	parent := filepath.Dir(path)
	if err := makeDirectory(parent); err != nil {
		return err
	}
	if err := os.Mkdir(path, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	entries, err := os.Open(parent) //nolint:gosec // an operator chose the directory
	if err != nil {
		return err
	}
	return errors.Join(entries.Sync(), entries.Close())
}

func (d *directory) close() error {
	return errors.Join(d.root.Close(), syscall.Close(d.fd))
}

// Create implements disk.
func (d *directory) Create(name string, bytes int64) (file, error) {
	f, err := d.root.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, err
	}
	if err := allocate(f, bytes); err != nil {
		return nil, errors.Join(fmt.Errorf("allocate %d bytes: %w", bytes, err), f.Close(), d.root.Remove(name))
	}
	return osFile{f}, nil
}

// Rename implements disk.
func (d *directory) Rename(from, to string) error { return d.root.Rename(from, to) }

// Remove implements disk.
func (d *directory) Remove(name string) error { return d.root.Remove(name) }

// Sync implements disk.
func (d *directory) Sync() error {
	return os.NewSyscallError("fsync", uninterrupted(func() error { return syscall.Fsync(d.fd) }))
}

// osFile is a real file whose Sync leaves out what only a clock wants to know.
type osFile struct {
	*os.File
}

func (f osFile) Sync() error { return dataSync(f.File) }

// uninterrupted repeats a system call that a signal interrupted; Go's scheduler
// sends them.
func uninterrupted(call func() error) error {
	for {
		if err := call(); !errors.Is(err, syscall.EINTR) {
			return err
		}
	}
}

// noSpace marks the errors that mean a full disk or an exhausted quota.
func noSpace(err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return fmt.Errorf("%w: %w", ErrNoSpace, err)
	}
	return err
}
