package machine

import (
	"os"
	"path/filepath"
	"testing"
)

func TestWrittenBytes_growWithWhatIsSynced(t *testing.T) {
	before, err := WrittenBytes(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	file, err := os.Create(filepath.Join(t.TempDir(), "file"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	const size = 1 << 20
	if _, err := file.Write(make([]byte, size)); err != nil {
		t.Fatal(err)
	}
	if err := file.Sync(); err != nil {
		t.Fatal(err)
	}
	after, err := WrittenBytes(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	disk, err := findDisk(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if disk.FileSystem != "tmpfs" && after-before < size {
		t.Errorf("%d bytes were written and synced, %d counted", size, after-before)
	}
}

func TestWrittenBytes_ofNobodyIsAnError(t *testing.T) {
	if _, err := WrittenBytes(1 << 30); err == nil {
		t.Error("there is no such process")
	}
}
