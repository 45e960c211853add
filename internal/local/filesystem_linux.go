package local

import "syscall"

// fileSystem gives the bytes that are free on a directory's file system, and all
// that it has.
func fileSystem(dir string) (free, all int64, err error) {
	var room syscall.Statfs_t
	if err := syscall.Statfs(dir, &room); err != nil {
		return 0, 0, err
	}
	block := int64(room.Bsize)                                         //nolint:unconvert // not an int64 everywhere
	return int64(room.Bavail) * block, int64(room.Blocks) * block, nil //nolint:gosec // no disk has 2^63 bytes
}
