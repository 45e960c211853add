package localtest

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// leftover makes a server's directory that was last used long ago, with a lock
// file if asked for.
func leftover(t *testing.T, parent, name string, locked bool) string {
	t.Helper()
	dir := filepath.Join(parent, name)
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if locked {
		file, err := os.Create(filepath.Join(dir, "postgres.lock"))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = file.Close() })
		if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX); err != nil {
			t.Fatal(err)
		}
	}
	long := time.Now().Add(-2 * leftoverAge)
	if err := os.Chtimes(dir, long, long); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestSweep_removesOnlyWhatNobodyUses(t *testing.T) {
	parent := t.TempDir()
	elsewhere := filepath.Join(t.TempDir(), "home", "postgres")
	if err := os.MkdirAll(elsewhere, 0o700); err != nil {
		t.Fatal(err)
	}
	abandoned := leftover(t, parent, serverDirPrefix+"1", false)
	if err := os.Symlink(elsewhere, filepath.Join(abandoned, "postgres")); err != nil {
		t.Fatal(err)
	}
	long := time.Now().Add(-2 * leftoverAge)
	if err := os.Chtimes(abandoned, long, long); err != nil {
		t.Fatal(err)
	}
	inUse := leftover(t, parent, serverDirPrefix+"2", true)
	foreign := leftover(t, parent, "someone-elses", false)
	young := filepath.Join(parent, serverDirPrefix+"3")
	if err := os.Mkdir(young, 0o700); err != nil {
		t.Fatal(err)
	}

	sweep(parent)

	for dir, want := range map[string]bool{
		abandoned: false, filepath.Dir(elsewhere): false, inUse: true, foreign: true, young: true,
	} {
		if _, err := os.Stat(dir); (err == nil) != want {
			t.Errorf("%s: still there is %v, want %v", dir, err == nil, want)
		}
	}
}

func TestServer_isNotStartedWhenNobodyWouldStopIt(t *testing.T) {
	t.Setenv(serverVariable, "")
	var s server
	if _, err := s.url(); err == nil {
		t.Error("it was started")
	}
}

func TestServer_isTheGivenOne(t *testing.T) {
	const given = "postgres://someone@198.51.100.1/db"
	t.Setenv(serverVariable, given)
	var s server
	if got, err := s.url(); got != given || err != nil {
		t.Errorf("got %s, %v", got, err)
	}
}

func TestWithSearchPath_keepsOtherParameters(t *testing.T) {
	got := withSearchPath(t, "postgres://u@h:1/d?sslmode=disable", "test_x")
	if want := "postgres://u@h:1/d?search_path=test_x&sslmode=disable"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
