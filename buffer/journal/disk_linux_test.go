package journal

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

func TestCommit_roomIsTakenBeforeItIsNeeded(t *testing.T) {
	const roomBytes = 8 << 20 // much more than is written at once
	dir := t.TempDir()
	probe, err := os.Create(filepath.Join(t.TempDir(), "probe"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = probe.Close() }()
	var want int64 = roomBytes
	if err := syscall.Fallocate(int(probe.Fd()), 0, 0, roomBytes); errors.Is(err, syscall.EOPNOTSUPP) {
		want = headerBytes // this file system finds room as it goes
	}
	commit(t, openIn(t, dir, func(c *Config) { c.SegmentBytes = roomBytes }), "first")
	info, err := os.Stat(filepath.Join(dir, segmentName(1)))
	if err != nil {
		t.Fatal(err)
	}
	if got := info.Sys().(*syscall.Stat_t).Blocks * 512; info.Size() != roomBytes || got < want {
		t.Errorf("a segment of %d bytes takes %d on the disk, want %d", info.Size(), got, want)
	}
}

func TestAllocate_asksBeforeItTakes(t *testing.T) {
	f, err := os.Create(filepath.Join(t.TempDir(), "file"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	if err := allocate(f, 1<<60); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("an exbibyte gave %v", err)
	}
}
