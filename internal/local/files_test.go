package local

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestWriteDurably_replacesWithAPrivateFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "secret")
	for _, content := range []string{"first", "second"} {
		if err := writeDurably(path, content); err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(path)
		if err != nil || string(got) != content {
			t.Errorf("it holds %q (%v), want %q", got, err, content)
		}
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("its mode is %v (%v)", info.Mode(), err)
	}
	if err := writeDurably(dir, "over a directory"); err == nil {
		t.Error("replaced a directory")
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 1 {
		t.Errorf("left behind: %v (%v)", entries, err)
	}
}

func TestMkdirExact_leavesAnExistingDirectoryAlone(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "made", "for", "this")
	if err := mkdirExact(dir, 0o711); err != nil {
		t.Fatal(err)
	}
	chmod(t, dir, 0o750)
	if err := mkdirExact(dir, 0o711); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(dir)
	if err != nil || info.Mode().Perm() != 0o750 {
		t.Errorf("its mode is %v (%v)", info.Mode(), err)
	}
}

func TestShortenLog_keepsOneOlderFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "postgres.log")
	if err := shortenLog(path); err != nil {
		t.Errorf("without a log: %v", err)
	}
	for _, size := range []int64{logBytesMax, logBytesMax + 1} {
		if err := writeDurably(path, ""); err != nil {
			t.Fatal(err)
		}
		if err := os.Truncate(path, size); err != nil {
			t.Fatal(err)
		}
		if err := shortenLog(path); err != nil {
			t.Fatal(err)
		}
		if moved := fileSize(path) == 0; moved != (size > logBytesMax) {
			t.Errorf("a log of %d bytes: moved is %v", size, moved)
		}
	}
	if got := fileSize(path + ".1"); got != logBytesMax+1 {
		t.Errorf("the older file has %d bytes", got)
	}
}

func TestReadFrom_givesTheLastLines(t *testing.T) {
	path := filepath.Join(t.TempDir(), "postgres.log")
	if got := readFrom(path, 0); got != "" {
		t.Errorf("without a log: %q", got)
	}
	var lines []string
	for i := range 5000 {
		lines = append(lines, fmt.Sprintf("line %d", i))
	}
	if err := writeDurably(path, strings.Join(lines, "\n")+"\n"); err != nil {
		t.Fatal(err)
	}
	if got := lastLines(readFrom(path, 0)); got != strings.Join(lines[5000-logTailLinesMax:], "\n") {
		t.Errorf("got %q", got)
	}
	if got := readFrom(path, fileSize(path)-10); got != "line 4999\n" {
		t.Errorf("from the start of the last line: %q", got)
	}
}
