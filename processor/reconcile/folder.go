package reconcile

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// filesMax is how many files of a directory are looked at; old ones are for the
// operator to move away.
const filesMax = 10_000

// file is a statement in a directory, as it was when it was last looked at.
type file struct {
	name       string
	size       int64
	modifiedAt time.Time
	since      time.Time // since when it has looked like this
}

// folder tells which files of a directory are complete and not taken yet. What it
// has learned is in memory: after a restart each file is looked at anew, and the
// ledger knows those that were done.
type folder struct {
	dir       string
	unchanged time.Duration
	seen      map[string]file
	done      map[string]file
}

// complete gives the files *.csv that have not changed for long enough, by name.
// Others are not touched: whoever writes slowly names the file otherwise and
// renames it at the end. Hidden files are no statements.
func (f *folder) complete(now time.Time) ([]file, error) {
	entries, err := os.ReadDir(f.dir) // sorted by name
	if err != nil {
		return nil, fmt.Errorf("read the directory of statements: %w", err)
	}
	if len(entries) > filesMax {
		return nil, fmt.Errorf("the directory of statements has %d files, at most %d are looked at", len(entries), filesMax)
	}
	seen := make(map[string]file, len(entries))
	var complete []file
	for _, entry := range entries {
		name := entry.Name()
		if strings.HasPrefix(name, ".") || !strings.EqualFold(filepath.Ext(name), ".csv") {
			continue
		}
		info, err := entry.Info()
		if errors.Is(err, fs.ErrNotExist) || (err == nil && !info.Mode().IsRegular()) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("look at a statement: %w", err)
		}
		looked := file{name: name, size: info.Size(), modifiedAt: info.ModTime(), since: now}
		if before, known := f.seen[name]; known && looked.same(before) {
			looked.since = before.since
		}
		seen[name] = looked
		// By our own clock: that of a file server may be any.
		if now.Sub(looked.since) >= f.unchanged && !looked.same(f.done[name]) {
			complete = append(complete, looked)
		}
	}
	f.seen = seen
	return complete, nil
}

func (f file) same(other file) bool {
	return f.name == other.name && f.size == other.size && f.modifiedAt.Equal(other.modifiedAt)
}

// taken remembers that a file need not be looked into again until it changes.
func (f *folder) taken(done file) {
	if f.done == nil {
		f.done = map[string]file{}
	}
	for name := range f.done {
		if _, there := f.seen[name]; !there {
			delete(f.done, name)
		}
	}
	f.done[done.name] = done
}

// open opens a file that is still in the directory itself.
func (f *folder) open(of file) (io.ReadCloser, error) {
	opened, err := os.OpenInRoot(f.dir, of.name)
	if err != nil {
		return nil, fmt.Errorf("open a statement: %w", err)
	}
	return opened, nil
}

// digest tells a file's content from that of others.
func (f *folder) digest(ctx context.Context, of file) (string, error) {
	opened, err := f.open(of)
	if err != nil {
		return "", err
	}
	defer opened.Close() //nolint:errcheck // only read
	content := sha256.New()
	if _, err := io.Copy(content, contextReader{ctx, opened}); err != nil {
		return "", fmt.Errorf("read a statement: %w", err)
	}
	return hex.EncodeToString(content.Sum(nil)), nil
}

// contextReader ends a long read when its context ends.
type contextReader struct {
	ctx    context.Context //nolint:containedctx // it lives for one read of a file
	source io.Reader
}

// Read implements io.Reader.
func (c contextReader) Read(into []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.source.Read(into)
}
