package journal

import (
	"errors"
	"os"
	"syscall"
)

// allocate gives an empty file that many zeros and the room for them. It asks
// for room first: an attempt that fails takes what is left for a moment, and the
// disk has other users.
func allocate(f *os.File, bytes int64) error {
	fd := int(f.Fd())
	if err := hasRoom(fd, bytes); err != nil {
		return err
	}
	err := uninterrupted(func() error { return syscall.Fallocate(fd, 0, 0, bytes) })
	if errors.Is(err, syscall.EOPNOTSUPP) || errors.Is(err, syscall.ENOSYS) {
		return f.Truncate(bytes)
	}
	return os.NewSyscallError("fallocate", err)
}

// hasRoom tells by ENOSPC that the file system of an open file has less than that
// many bytes left. One that does not say how many it has is taken to have them.
func hasRoom(fd int, bytes int64) error {
	var room syscall.Statfs_t
	err := uninterrupted(func() error { return syscall.Fstatfs(fd, &room) })
	blockBytes := int64(room.Bsize)                                              //nolint:unconvert // not an int64 everywhere
	if err == nil && room.Blocks > 0 && room.Bavail < uint64(bytes/blockBytes) { //nolint:gosec // not negative
		return syscall.ENOSPC
	}
	return nil
}

func dataSync(f *os.File) error {
	fd := int(f.Fd())
	return os.NewSyscallError("fdatasync", uninterrupted(func() error { return syscall.Fdatasync(fd) }))
}
