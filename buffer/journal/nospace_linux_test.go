package journal

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
)

const (
	roleFullDisk  = "full-disk"
	fullDiskBytes = 512 << 10
	// exitNoMount is how the child says that it may not mount anything here.
	exitNoMount = 3
)

func init() { roles[roleFullDisk] = fillDisk }

// A disk that is really full needs a small one: a tmpfs that only a child sees.
// Where not even that is allowed, a disk that says it was full must do.
func TestCommit_fullDiskTakesReceiptsAgainWhenItHasRoom(t *testing.T) {
	dir := t.TempDir()
	cmd := child(t, roleFullDisk, dir)
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS}
	if uid := os.Getuid(); uid != 0 {
		cmd.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: uid, Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}}
	}
	err := cmd.Run()
	var exit *exec.ExitError
	switch {
	case err == nil:
		return
	case errors.As(err, &exit) && exit.ExitCode() != exitNoMount:
		t.Fatal(err)
	}
	t.Logf("no tmpfs of our own here (%v)", err)
	d := &faultyDisk{}
	j := openFaulty(t, dir, d)
	err = fullDisk(j, dir, func(full bool) error {
		if full {
			d.fail("create", syscall.ENOSPC, 3)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// fillDisk is the child: it mounts a small disk and fills it.
func fillDisk(dir string) int {
	err := syscall.Mount("none", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, "")
	if err == nil {
		err = syscall.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%d", fullDiskBytes))
	}
	if err != nil {
		return exitNoMount
	}
	if err := fillMounted(dir); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

func fillMounted(dir string) (err error) {
	own := filepath.Join(dir, "journal")
	j, err := Open(Config{Dir: own, SegmentBytes: segmentBytes})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, j.Close()) }()
	hog := filepath.Join(dir, "hog")
	return fullDisk(j, own, func(full bool) error {
		if !full {
			return os.Remove(hog)
		}
		err := os.WriteFile(hog, make([]byte, fullDiskBytes), 0o600)
		if !errors.Is(err, syscall.ENOSPC) {
			return fmt.Errorf("filling the disk gave %w", err)
		}
		return nil
	})
}

// fullDisk walks through a disk that fills up and has room again.
func fullDisk(j *Journal, dir string, fill func(full bool) error) error {
	big := []byte(strings.Repeat("x", 50<<10))
	if err := j.Commit([][]byte{big}); err != nil {
		return fmt.Errorf("with room: %w", err)
	}
	if err := fill(true); err != nil {
		return err
	}
	for range 3 {
		if err := j.Commit([][]byte{[]byte("whole or not at all"), big}); !errors.Is(err, ErrNoSpace) {
			return fmt.Errorf("without room: %w", err)
		}
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 1 {
		return fmt.Errorf("without room there are the files %v; %w", entries, err)
	}
	if err := j.Commit([][]byte{[]byte("fits into the active segment")}); err != nil {
		return fmt.Errorf("without room for a segment: %w", err)
	}
	if err := fill(false); err != nil {
		return err
	}
	if err := j.Commit([][]byte{big}); err != nil {
		return fmt.Errorf("with room again: %w", err)
	}
	if s := j.Stats(); s.Records != 3 || s.Failures != 3 || !slices.EqualFunc(j.Segments(), []bool{false, true},
		func(s Segment, active bool) bool { return s.Active == active }) {
		return fmt.Errorf("stats are %+v", s)
	}
	return nil
}
