package local

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"time"
)

const (
	// majorMin is the first version with UNIQUE NULLS NOT DISTINCT, on which
	// the schema's central constraint rests.
	majorMin       = 15
	versionTimeout = 10 * time.Second
)

// ErrNoPrograms says that Postgres' server programs are not installed, or are
// too old, and what to install.
var ErrNoPrograms = errors.New("Postgres' server programs (initdb, postgres) of version " + strconv.Itoa(majorMin) +
	" or later were not found: run `make setup` in the checkout, or install them" +
	" (Debian, Ubuntu: apt-get install postgresql; Fedora: dnf install postgresql-server; macOS: brew install postgresql@17)")

// binDirPatterns are where packagers put the programs when they are not on
// PATH; deploy/install-postgres.sh looks in the same places.
var binDirPatterns = []string{
	"/usr/lib/postgresql/*/bin",         // Debian, Ubuntu
	"/usr/pgsql-*/bin",                  // postgresql.org's packages for Red Hat
	"/usr/local/pgsql/bin",              // built from source
	"/opt/homebrew/opt/postgresql*/bin", // macOS
	"/usr/local/opt/postgresql*/bin",    // macOS on Intel
	"/usr/libexec/postgresql*",          // Alpine
}

// programs is one version's server programs. All come from the same directory,
// because initdb and postgres refuse to work with another's files.
type programs struct {
	initdb   string
	postgres string
	major    int
}

// findPrograms returns the programs of the given major version; with 0, those
// on PATH if they are new enough, else the newest.
func findPrograms(ctx context.Context, major int) (programs, error) {
	onPath, packaged := binDirs()
	found := installed(ctx, onPath, packaged)
	if ctx.Err() != nil {
		return programs{}, fmt.Errorf("look for Postgres' programs: %w", context.Cause(ctx))
	}
	if major == 0 {
		return newEnough(found)
	}
	for _, p := range found {
		if p.major == major {
			return p, nil
		}
	}
	return programs{}, fmt.Errorf("the cluster was created by Postgres %d, whose programs are not installed:"+
		" install that version, or dump and restore into a new directory: %w", major, ErrNoPrograms)
}

// newEnough picks from programs in order of preference.
func newEnough(found []programs) (programs, error) {
	for _, p := range found {
		if p.major >= majorMin {
			return p, nil
		}
	}
	return programs{}, ErrNoPrograms
}

// installed lists the programs that work: those on PATH first, then the newest
// first.
func installed(ctx context.Context, onPath, packaged []string) []programs {
	rest := working(ctx, packaged)
	slices.SortStableFunc(rest, func(a, b programs) int { return cmp.Compare(b.major, a.major) })
	return append(working(ctx, onPath), rest...)
}

// working asks the postgres in each directory for its version. One that cannot
// answer is no candidate; another directory may hold one that can.
func working(ctx context.Context, dirs []string) []programs {
	var found []programs
	for _, dir := range dirs {
		if p, err := programsIn(ctx, dir); err == nil {
			found = append(found, p)
		}
	}
	return found
}

// binDirs lists the directories that hold an initdb: that of PATH, if any, and
// those in the usual places.
func binDirs() (onPath, packaged []string) {
	if file, err := exec.LookPath("initdb"); err == nil {
		onPath = appendDir(onPath, file)
	}
	for _, pattern := range binDirPatterns {
		files, err := filepath.Glob(filepath.Join(pattern, "initdb"))
		if err != nil {
			continue // a malformed pattern, which the tests would show
		}
		for _, file := range files {
			packaged = appendDir(packaged, file)
		}
	}
	return onPath, packaged
}

// appendDir adds the directory in which file really is: initdb finds its share
// directory relative to that, not to a symlink in /usr/bin.
func appendDir(dirs []string, file string) []string {
	resolved, err := filepath.EvalSymlinks(file)
	if err != nil {
		return dirs
	}
	return append(dirs, filepath.Dir(resolved))
}

var versionPattern = regexp.MustCompile(`\(PostgreSQL\) (\d+)`)

// programsIn asks the postgres in dir for its version.
func programsIn(ctx context.Context, dir string) (programs, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, versionTimeout, errors.New("postgres --version did not answer"))
	defer cancel()
	p := programs{initdb: filepath.Join(dir, "initdb"), postgres: filepath.Join(dir, "postgres")}
	out, err := exec.CommandContext(ctx, p.postgres, "--version").Output()
	if err != nil {
		return programs{}, fmt.Errorf("ask %s for its version: %w", p.postgres, err)
	}
	match := versionPattern.FindSubmatch(out)
	if match == nil {
		return programs{}, fmt.Errorf("%s --version said %q", p.postgres, out)
	}
	p.major, err = strconv.Atoi(string(match[1]))
	return p, err
}

// clusterMajor reads the version that created the cluster at data; 0 means
// that there is none.
func clusterMajor(data string) (int, error) {
	text, err := os.ReadFile(filepath.Join(data, "PG_VERSION")) //nolint:gosec // The path comes from our own configuration.
	if errors.Is(err, os.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("read the cluster's version: %w", err)
	}
	major, err := strconv.Atoi(string(bytes.TrimSpace(text)))
	if err != nil {
		return 0, fmt.Errorf("%s holds no version: %w", filepath.Join(data, "PG_VERSION"), err)
	}
	return major, nil
}
