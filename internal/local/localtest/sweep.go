package localtest

import (
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// leftoverAge keeps the sweep away from a directory whose server is just being
// started, and has not locked it yet.
const leftoverAge = 10 * time.Minute

// sweep removes what killed test binaries left in parent: the kernel stopped
// their servers, but nobody removed the files. Whatever cannot be removed, such
// as another user's, is left alone.
func sweep(parent string) {
	dirs, err := filepath.Glob(filepath.Join(parent, serverDirPrefix+"*"))
	if err != nil {
		return
	}
	for _, dir := range dirs {
		if abandoned(dir) {
			_ = removeCluster(dir)
		}
	}
}

// abandoned reports whether dir is old and its server's lock is free.
func abandoned(dir string) bool {
	info, err := os.Stat(dir)
	if err != nil || time.Since(info.ModTime()) < leftoverAge {
		return false
	}
	file, err := os.OpenFile(filepath.Join(dir, "postgres.lock"), os.O_RDWR, 0)
	if err != nil {
		return os.IsNotExist(err) // killed before it had one
	}
	defer func() { _ = file.Close() }()
	return syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) == nil
}
