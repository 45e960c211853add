package local

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// fakeBin makes a directory whose postgres tells the given version.
func fakeBin(t *testing.T, version string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "bin")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"initdb", "postgres"} {
		script := fmt.Sprintf("#!/bin/sh\necho '%s'\n", version)
		if err := os.WriteFile(filepath.Join(dir, name), []byte(script), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestInstalled_prefersPathThenTheNewest(t *testing.T) {
	onPath := []string{fakeBin(t, "postgres (PostgreSQL) 16.4")}
	packaged := []string{
		fakeBin(t, "postgres (PostgreSQL) 9.6.24"),
		fakeBin(t, "postgres (PostgreSQL) 17.1 (Debian 17.1-1)"),
		fakeBin(t, "something else"),
		filepath.Join(t.TempDir(), "gone"),
		fakeBin(t, "postgres (PostgreSQL) 18beta1"),
	}
	var majors []int
	for _, p := range installed(t.Context(), onPath, packaged) {
		majors = append(majors, p.major)
	}
	if got := fmt.Sprint(majors); got != "[16 18 17 9]" {
		t.Errorf("found %s, want [16 18 17 9]", got)
	}
	if got := installed(t.Context(), nil, packaged)[0].major; got != 18 {
		t.Errorf("without PATH the first is %d, want 18", got)
	}
	broken := []string{fakeBin(t, "no Postgres")}
	if got := installed(t.Context(), broken, packaged)[0].major; got != 18 {
		t.Errorf("with a broken PATH the first is %d, want 18", got)
	}
}

func TestNewEnough_skipsWhatIsTooOld(t *testing.T) {
	p, err := newEnough([]programs{{major: 14}, {major: 15}, {major: 17}})
	if err != nil || p.major != 15 {
		t.Errorf("got %d, %v", p.major, err)
	}
	for _, found := range [][]programs{nil, {{major: 14}}} {
		_, err := newEnough(found)
		if !errors.Is(err, ErrNoPrograms) {
			t.Errorf("the error is %v", err)
		}
		for _, remedy := range []string{"apt-get install postgresql", "make setup"} {
			if !strings.Contains(err.Error(), remedy) {
				t.Errorf("%q does not say %q", err, remedy)
			}
		}
	}
}

func TestFindPrograms_refusesAnotherMajorVersion(t *testing.T) {
	_, err := findPrograms(t.Context(), 12)
	if !errors.Is(err, ErrNoPrograms) || !strings.Contains(err.Error(), "created by Postgres 12") {
		t.Errorf("the error is %v", err)
	}
}

func TestBinDirs_followSymlinks(t *testing.T) {
	real := fakeBin(t, "postgres (PostgreSQL) 16.4")
	links := t.TempDir()
	if err := os.Symlink(filepath.Join(real, "initdb"), filepath.Join(links, "initdb")); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", links)
	onPath, _ := binDirs()
	want, err := filepath.EvalSymlinks(real)
	if err != nil {
		t.Fatal(err)
	}
	if len(onPath) != 1 || onPath[0] != want {
		t.Errorf("found %v, want %s", onPath, want)
	}
}

func TestClusterMajor_readsWhatInitdbWrote(t *testing.T) {
	data := t.TempDir()
	if got, err := clusterMajor(data); got != 0 || err != nil {
		t.Errorf("without a cluster: %d, %v", got, err)
	}
	for content, want := range map[string]int{"15\n": 15, "9.6\n": 0, "": 0} {
		if err := os.WriteFile(filepath.Join(data, "PG_VERSION"), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if got, err := clusterMajor(data); got != want || (err == nil) != (want != 0) {
			t.Errorf("%q is read as %d, %v", content, got, err)
		}
	}
}
