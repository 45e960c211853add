package machine

import (
	"fmt"
	"syscall"
)

// AllowFiles lets this process, and those that it starts from now on, have so many files
// and connections open. An error says what must be raised by whoever may.
func AllowFiles(files uint64) error {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return fmt.Errorf("limit of open files: %w", err)
	}
	if limit.Cur >= files {
		return nil
	}
	wanted := syscall.Rlimit{Cur: files, Max: max(files, limit.Max)}
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &wanted); err != nil {
		return fmt.Errorf("%d open files are needed and %d allowed (`ulimit -n`, hard limit %d): %w", files, limit.Cur, limit.Max, err)
	}
	return nil
}
