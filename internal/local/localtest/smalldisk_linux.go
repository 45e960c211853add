package localtest

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
)

const (
	// smallDiskVariable tells a child that it is one, and for which test.
	smallDiskVariable = "PAYBUF_TEST_SMALL_DISK"
	// exitNoMount is how the child says that it may not mount anything here.
	exitNoMount = 3
)

// SmallDisk is a disk that can really be filled.
type SmallDisk struct {
	dir string
}

// OnSmallDisk runs a test in a child that has a small tmpfs of its own, which no
// other process sees. That takes a name space of mounts: root's right, or
// anybody's who may have a name space of users. Where neither is allowed, the
// test is left out, and the log says so.
func OnSmallDisk(t *testing.T, bytes int, test func(t *testing.T, disk *SmallDisk)) {
	t.Helper()
	if os.Getenv(smallDiskVariable) == t.Name() {
		disk := &SmallDisk{dir: filepath.Join(Dir(t), "small")}
		disk.mount(t, bytes)
		test(t, disk)
		return
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+t.Name()+"$", "-test.count=1", "-test.v")
	cmd.Env = append(os.Environ(), smallDiskVariable+"="+t.Name())
	cmd.Stdout, cmd.Stderr = t.Output(), t.Output()
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS}
	if uid := os.Getuid(); uid != 0 {
		cmd.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: uid, Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}}
	}
	err := cmd.Run()
	exit, ended := errors.AsType[*exec.ExitError](err)
	switch {
	case err != nil && !ended, ended && exit.ExitCode() == exitNoMount: // no name space, or none that may mount
		t.Logf("nobody may mount anything here, so a full disk is not tried (%v)", err)
	case err != nil:
		t.Fatal(err)
	}
}

func (d *SmallDisk) mount(t *testing.T, bytes int) {
	t.Helper()
	err := os.Mkdir(d.dir, 0o700)
	if err == nil {
		err = syscall.Mount("none", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, "")
	}
	if err == nil {
		err = syscall.Mount("tmpfs", d.dir, "tmpfs", 0, fmt.Sprintf("size=%d", bytes))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "localtest: mount a small disk:", err)
		os.Exit(exitNoMount) // nothing is running yet
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(d.dir, syscall.MNT_DETACH); err != nil {
			t.Error("localtest: ", err)
		}
	})
}

// Dir is where the disk is.
func (d *SmallDisk) Dir() string { return d.dir }

// Fill leaves no byte.
func (d *SmallDisk) Fill(t *testing.T) {
	t.Helper()
	hog, err := os.Create(d.hog())
	if err != nil {
		t.Fatal("localtest: ", err)
	}
	defer func() { _ = hog.Close() }()
	for chunk := make([]byte, 1<<20); err == nil; {
		_, err = hog.Write(chunk)
	}
	if !errors.Is(err, syscall.ENOSPC) {
		t.Fatal("localtest: fill the disk: ", err)
	}
}

// Free undoes Fill.
func (d *SmallDisk) Free(t *testing.T) {
	t.Helper()
	if err := os.Remove(d.hog()); err != nil {
		t.Fatal("localtest: ", err)
	}
}

func (d *SmallDisk) hog() string { return filepath.Join(d.dir, "hog") }
