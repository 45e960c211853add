package simulator

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
)

var errLedgerClosed = errors.New("the ledger is closed")

// ledger appends lines to a file. A line counts once its batch was fsynced; all
// lines that come while one fsync runs share the next.
type ledger struct {
	file    *os.File
	wake    chan struct{} // at most one waits: there is something to write
	stopped chan struct{} // the writer has ended

	mu     sync.Mutex
	open   *batch // takes lines
	closed bool

	failed error // of the first write that failed; the writer's until it stopped
}

// batch is what one fsync covers.
type batch struct {
	lines []byte
	done  chan struct{} // closed once err is known
	err   error
}

func newBatch() *batch { return &batch{done: make(chan struct{})} }

// wait tells whether the batch is on the disk. After an error it may be, or not.
func (b *batch) wait() error {
	<-b.done
	return b.err
}

// openLedger reads a ledger back, cuts a torn end off and makes it ready for
// more.
func openLedger(name string, visit func(entry) error) (*ledger, error) {
	file, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o600) //nolint:gosec // the operator names it
	if err != nil {
		return nil, fmt.Errorf("open the ledger: %w", err)
	}
	if err := restore(file, visit); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	l := &ledger{file: file, wake: make(chan struct{}, 1), stopped: make(chan struct{}), open: newBatch()}
	go l.write()
	return l, nil
}

func restore(file *os.File, visit func(entry) error) error {
	wholeBytes, err := scan(file, visit)
	if err != nil {
		return err
	}
	end, err := file.Seek(0, io.SeekEnd)
	if err != nil {
		return fmt.Errorf("find the ledger's end: %w", err)
	}
	if end > wholeBytes {
		if err := file.Truncate(wholeBytes); err != nil {
			return fmt.Errorf("cut the ledger's torn end: %w", err)
		}
	}
	if err := file.Sync(); err != nil {
		return fmt.Errorf("sync the ledger: %w", err)
	}
	return syncFolder(filepath.Dir(file.Name()))
}

// syncFolder makes a new file's name durable.
func syncFolder(name string) error {
	folder, err := os.Open(name) //nolint:gosec // of the file that the operator names
	if err != nil {
		return fmt.Errorf("open the ledger's folder: %w", err)
	}
	defer folder.Close() //nolint:errcheck // only read
	if err := folder.Sync(); err != nil {
		return fmt.Errorf("sync the ledger's folder: %w", err)
	}
	return nil
}

// add hands lines to the writer and gives the batch to wait for.
func (l *ledger) add(line []byte) (*batch, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil, errLedgerClosed
	}
	l.open.lines = append(l.open.lines, line...)
	select {
	case l.wake <- struct{}{}:
	default: // the writer will come anyway, and finds this line too
	}
	return l.open, nil
}

// write is the one goroutine that writes. After an error nothing more is
// written: what the disk holds is not known.
func (l *ledger) write() {
	defer close(l.stopped)
	for range l.wake {
		l.mu.Lock()
		full := l.open
		l.open = newBatch()
		l.mu.Unlock()
		if l.failed == nil && len(full.lines) > 0 {
			l.failed = l.flush(full.lines)
		}
		full.err = l.failed
		close(full.done)
	}
}

func (l *ledger) flush(lines []byte) error {
	if _, err := l.file.Write(lines); err != nil {
		return fmt.Errorf("write the ledger: %w", err)
	}
	if err := l.file.Sync(); err != nil {
		return fmt.Errorf("sync the ledger: %w", err)
	}
	return nil
}

// close writes what waits, closes the file and tells whether a write failed since
// the ledger was opened. Only the first call does.
func (l *ledger) close() error {
	l.mu.Lock()
	wasClosed := l.closed
	l.closed = true
	if !wasClosed {
		close(l.wake) // under the lock: add sends only while not closed
	}
	l.mu.Unlock()
	<-l.stopped
	if wasClosed {
		return nil
	}
	return errors.Join(l.failed, l.file.Close())
}
