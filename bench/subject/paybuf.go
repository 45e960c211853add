package subject

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/paybuf/paybuf/internal/local"
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

// DataDir is where a Paybuf that is started in dir keeps its data.
func DataDir(dir string) string { return filepath.Join(dir, dataName) }

// dataName is the directory that Paybuf keeps everything in.
const dataName = "paybuf-data"

// StartPaybuf runs `paybuf dev` with its defaults, except that it only takes
// payments in: nobody takes them out, as with the peers. On the directory of one
// that has ended it goes on with what that had. Call it from the main goroutine,
// locked to its thread.
func StartPaybuf(ctx context.Context, program, dir string) (*Subject, error) {
	return startPaybuf(ctx, program, dir, "--roles", "ingest")
}

// StartPaybufPipeline does the same for a Paybuf with all roles, all with their
// defaults, which pays by the payer.
func StartPaybufPipeline(ctx context.Context, program, dir string, payer *Subject) (*Subject, error) {
	return startPaybuf(ctx, program, dir, "--payer", payer.url())
}

func startPaybuf(ctx context.Context, program, dir string, flags ...string) (*Subject, error) {
	data := DataDir(dir)
	// One that was killed has left the file behind, with addresses of the past.
	if err := os.Remove(filepath.Join(data, infoName)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("start paybuf: %w", err)
	}
	args := append([]string{"dev", "--data", data, "--listen", "127.0.0.1:0", "--operator-listen", "127.0.0.1:0"}, flags...)
	cmd := exec.CommandContext(context.WithoutCancel(ctx), program, args...) //nolint:gosec // just built
	started := time.Now()
	p, err := start("paybuf", cmd, filepath.Join(dir, "paybuf.log"))
	if err != nil {
		return nil, err
	}
	s := &Subject{Name: "paybuf", CountsRepeats: true, PID: cmd.Process.Pid, kill: p.kill}
	s.stop = func() error { return p.stop(p.terminate) }
	err = p.awaitReady(ctx, func() (bool, error) {
		found, err := s.find(data)
		if err != nil || !found {
			return false, err
		}
		return s.isReady(ctx)
	})
	s.ReadyAfter = time.Since(started)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("start paybuf: %w%s", err, p.lastWords()), s.stop())
	}
	return s, nil
}

// StopPostgres stops the Postgres that a Paybuf in dir left behind when it was
// killed.
func StopPostgres(ctx context.Context, dir string) error {
	postgres, err := local.StartPostgres(ctx, local.PostgresConfig{
		Dir: filepath.Join(dir, dataName), StopWithParent: true, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		return err
	}
	return postgres.Stop(ctx)
}

// RemoveData removes what a server kept in a subdirectory of dir, such as Paybuf
// once it has ended. A Postgres' cluster may be kept outside of it, because
// Postgres' own user could not get in.
func RemoveData(dir string) error {
	links, err := filepath.Glob(filepath.Join(dir, "*", "postgres"))
	errs := []error{err}
	for _, link := range links {
		if target, err := os.Readlink(link); err == nil {
			errs = append(errs, os.RemoveAll(filepath.Dir(target)))
		}
	}
	return errors.Join(append(errs, os.RemoveAll(dir))...)
}

// infoName is the file by which Paybuf says where it is.
const infoName = "dev.json"

// find reads where paybuf and its Postgres are, once it says that it is ready.
func (s *Subject) find(data string) (bool, error) {
	content, err := os.ReadFile(filepath.Join(data, infoName)) //nolint:gosec // in our own directory
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	var info struct {
		URL         string `json:"url"`
		OperatorURL string `json:"operator_url"`
		PostgresURL string `json:"postgres_url"`
	}
	if err := errors.Join(err, json.Unmarshal(content, &info)); err != nil {
		return false, fmt.Errorf("read dev.json: %w", err)
	}
	at, err := url.Parse(info.URL)
	if err != nil {
		return false, fmt.Errorf("read dev.json: %w", err)
	}
	s.Address, s.OperatorURL, s.PostgresURL = at.Host, info.OperatorURL, info.PostgresURL
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
