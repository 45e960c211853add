package local

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

const (
	// lockTimeout lets a restart overlap with the shutdown of its predecessor.
	lockTimeout = 5 * time.Second
	lockPoll    = 25 * time.Millisecond
)

// ErrInUse says that another living process has the directory open.
var ErrInUse = errors.New("directory is in use")

var errLockHeld = errors.New("it was not released within " + lockTimeout.String())

// fileLock is an flock: the kernel frees it when its process ends, however it
// ends, so a kill -9 never leaves a directory locked. Children do not inherit
// it. It is a bare descriptor because an os.File closes itself when it is
// garbage, and a lock must outlive a caller who forgets what it locks.
type fileLock struct {
	fd   int
	once sync.Once
}

// lock takes the lock at path, waiting up to lockTimeout for another holder.
func lock(ctx context.Context, path string) (*fileLock, error) {
	fd, err := syscall.Open(path, syscall.O_RDWR|syscall.O_CREAT|syscall.O_CLOEXEC, 0o600)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: path, Err: err}
	}
	l := &fileLock{fd: fd}
	err = l.wait(ctx)
	if err == nil {
		err = l.sign()
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("lock %s: %w", path, err), l.release())
	}
	return l, nil
}

func (l *fileLock) wait(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, lockTimeout, errLockHeld)
	defer cancel()
	err := poll(ctx, lockPoll, l.try)
	if err != nil && ctx.Err() != nil {
		return fmt.Errorf("%w by process %s: %w", ErrInUse, l.holder(), err)
	}
	return err
}

// try reports whether the lock was free.
func (l *fileLock) try() (bool, error) {
	err := syscall.Flock(l.fd, syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) || errors.Is(err, syscall.EINTR) {
		return false, nil
	}
	return err == nil, err
}

// sign leaves our process id in the file, for the error of whoever comes next.
func (l *fileLock) sign() error {
	if err := syscall.Ftruncate(l.fd, 0); err != nil {
		return err
	}
	_, err := syscall.Pwrite(l.fd, []byte(strconv.Itoa(os.Getpid())+"\n"), 0)
	return err
}

// holder names the process that signed the lock, or "unknown".
func (l *fileLock) holder() string {
	buf := make([]byte, 32)
	n, err := syscall.Pread(l.fd, buf, 0)
	if pid := strings.TrimSpace(string(buf[:max(0, n)])); err == nil && pid != "" {
		return pid
	}
	return "unknown"
}

// release frees the lock; a second time does nothing. The file stays: removing
// it would let two processes lock two files of the same name.
func (l *fileLock) release() error {
	var err error
	l.once.Do(func() { err = syscall.Close(l.fd) })
	return err
}

// poll calls done until it reports true or an error, or ctx ends; it then
// returns the cause.
func poll(ctx context.Context, every time.Duration, done func() (bool, error)) error {
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		if ok, err := done(); ok || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-ticker.C:
		}
	}
}
