package machine

import (
	"fmt"
	"os"
	"strconv"
	"strings"
)

// WrittenBytes is what a process has had the kernel write to disks, in whole
// pages: a page that is changed again after it was synced counts again. The
// process must be ours.
func WrittenBytes(pid int) (int64, error) {
	content, err := os.ReadFile(fmt.Sprintf("/proc/%d/io", pid))
	if err != nil {
		return 0, fmt.Errorf("bytes written by process %d: %w", pid, err)
	}
	for line := range strings.Lines(string(content)) {
		if text, found := strings.CutPrefix(line, "write_bytes:"); found {
			return strconv.ParseInt(strings.TrimSpace(text), 10, 64)
		}
	}
	return 0, fmt.Errorf("bytes written by process %d: the kernel does not count them", pid)
}
