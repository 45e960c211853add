//go:build unix && !linux

package local

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strconv"
	"syscall"
	"time"
)

const psTimeout = 5 * time.Second

// dieWithParent does nothing where the kernel offers nothing.
func dieWithParent(*syscall.SysProcAttr, syscall.Signal) {}

// commandLine returns the process' command line, or "" if there is no such
// process.
func commandLine(pid int) (string, error) {
	if errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
		return "", nil
	}
	ctx, cancel := context.WithTimeoutCause(context.Background(), psTimeout, errors.New("ps did not answer"))
	defer cancel()
	out, err := exec.CommandContext(ctx, "ps", "-ww", "-o", "command=", "-p", strconv.Itoa(pid)).Output()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return "", nil // ps found no such process
	}
	if err != nil {
		return "", fmt.Errorf("look at process %d: %w", pid, err)
	}
	return string(bytes.TrimSpace(out)), nil
}

// workingDir is not known here.
func workingDir(int) string { return "" }
