package subject

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

const buildTimeout = 5 * time.Minute

var errBuildSlow = errors.New("the build took too long")

// BuildPaybuf builds the program from its sources as a release is built, and
// gives its path.
func BuildPaybuf(ctx context.Context, source, dir string) (string, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, buildTimeout, errBuildSlow)
	defer cancel()
	program := filepath.Join(dir, "paybuf")
	build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags", "-s -w", "-o", program, "./cmd/paybuf") //nolint:gosec // our own sources
	build.Dir = source
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if said, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build paybuf: %w\n%s", errors.Join(err, context.Cause(ctx)), said)
	}
	return program, nil
}

// PaybufVersion is what git calls the sources; "unreleased" where there is no git.
func PaybufVersion(ctx context.Context, source string) string {
	ctx, cancel := context.WithTimeoutCause(ctx, buildTimeout, errBuildSlow)
	defer cancel()
	describe := exec.CommandContext(ctx, "git", "describe", "--tags", "--always", "--dirty")
	describe.Dir = source
	said, err := describe.Output()
	if err != nil {
		return "unreleased"
	}
	return strings.TrimSpace(string(said))
}

// StartPaybuf runs `paybuf dev` with its defaults, except that it only takes
// payments in: nobody takes them out, as with the peers. Call it from the main
// goroutine, locked to its thread.
func StartPaybuf(ctx context.Context, program, dir string) (*Subject, error) {
	data := filepath.Join(dir, "paybuf-data")
	cmd := exec.CommandContext(context.WithoutCancel(ctx), program, "dev", "--roles", "ingest", //nolint:gosec // just built
		"--data", data, "--listen", "127.0.0.1:0", "--operator-listen", "127.0.0.1:0")
	p, err := start("paybuf", cmd, filepath.Join(dir, "paybuf.log"))
	if err != nil {
		return nil, err
	}
	s := &Subject{Name: "paybuf", CountsRepeats: true, PID: cmd.Process.Pid}
	s.stop = func() error { return p.stop(p.terminate) }
	err = p.awaitReady(ctx, func() (bool, error) { return s.find(data) })
	if err != nil {
		return nil, errors.Join(fmt.Errorf("start paybuf: %w%s", err, p.lastWords()), s.stop())
	}
	return s, nil
}

// find reads where paybuf and its Postgres are, once it says that it is ready.
func (s *Subject) find(data string) (bool, error) {
	content, err := os.ReadFile(filepath.Join(data, "dev.json")) //nolint:gosec // in our own directory
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	var info struct {
		URL string `json:"url"`
	}
	if err := errors.Join(err, json.Unmarshal(content, &info)); err != nil {
		return false, fmt.Errorf("read dev.json: %w", err)
	}
	at, err := url.Parse(info.URL)
	if err != nil {
		return false, fmt.Errorf("read dev.json: %w", err)
	}
	s.Address = at.Host
	s.PostgresPID, err = postmasterOf(data)
	return err == nil, err
}

func postmasterOf(data string) (int, error) {
	content, err := os.ReadFile(filepath.Join(data, "postgres", "postmaster.pid")) //nolint:gosec // in our own directory
	if err != nil {
		return 0, fmt.Errorf("find paybuf's Postgres: %w", err)
	}
	line, _, _ := strings.Cut(string(content), "\n")
	pid, err := strconv.Atoi(strings.TrimSpace(line))
	if err != nil {
		return 0, fmt.Errorf("find paybuf's Postgres: %w", err)
	}
	return pid, nil
}
