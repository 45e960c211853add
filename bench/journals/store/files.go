package store

import (
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

// suffixes are those of the files that hold payloads, a store's older files
// before its newer ones.
var suffixes = map[Kind][]string{
	Ours:    {".journal"},
	Pebble:  {".sst", ".log"},
	RaftWAL: {".wal"},
	Bolt:    {"bolt.db"},
}

// Files are those of a directory that hold payloads, the oldest first.
func Files(kind Kind, dir string) ([]string, error) {
	var found []string
	for _, suffix := range suffixes[kind] {
		files, err := filepath.Glob(filepath.Join(dir, "*"+suffix))
		if err != nil {
			return nil, err
		}
		slices.SortFunc(files, byAge)
		found = append(found, files...)
	}
	if len(found) == 0 {
		return nil, fmt.Errorf("%s has no files in %s", kind, dir)
	}
	return found, nil
}

// byAge compares numbered files. All stores pad their numbers, but not for ever.
func byAge(a, b string) int {
	if len(a) != len(b) {
		return len(a) - len(b)
	}
	return strings.Compare(a, b)
}

// DiskBytes is what the files of a directory take on the disk.
func DiskBytes(dir string) (int64, error) {
	const blockBytes = 512 // of stat(2), whatever the file system's are
	total := int64(0)
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		var info syscall.Stat_t
		if err := syscall.Stat(path, &info); err != nil {
			return &fs.PathError{Op: "stat", Path: path, Err: err}
		}
		total += info.Blocks * blockBytes
		return nil
	})
	return total, err
}
