package localtest

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/paybuf/paybuf/internal/local"
)

const (
	// serverVariable names a running Postgres to use instead of a private one;
	// its role must be allowed to create schemas.
	serverVariable = "PAYBUF_TEST_POSTGRES"
	startTimeout   = time.Minute
	queryTimeout   = 30 * time.Second
)

// Postgres returns the URL of an empty schema of the test's own, in which every
// connection lands (search_path). The schema is dropped when the test ends, so
// connections must be closed by then.
func Postgres(t testing.TB) string {
	t.Helper()
	serverURL, err := shared.url()
	if err != nil {
		t.Fatal("localtest: ", err)
	}
	schema := "test_" + strings.ToLower(rand.Text())
	Query(t, serverURL, "CREATE SCHEMA "+schema)
	t.Cleanup(func() {
		// A connection that the test left open holds locks on its tables.
		Query(t, serverURL, "SET lock_timeout = '10s'; DROP SCHEMA "+schema+" CASCADE")
	})
	return withSearchPath(t, serverURL, schema)
}

func withSearchPath(t testing.TB, serverURL, schema string) string {
	t.Helper()
	u, err := url.Parse(serverURL)
	if err != nil {
		t.Fatal("localtest: the test server's URL: ", err)
	}
	query := u.Query()
	query.Set("search_path", schema)
	u.RawQuery = query.Encode()
	return u.String()
}

// shared is the one server of this test binary.
var shared server

// server is a Postgres that starts when first asked for.
type server struct {
	usable bool // set by Main, before any test runs

	mu       sync.Mutex
	asked    bool
	dir      string
	postgres *local.Postgres
	err      error
}

// url starts the server if need be; a failed start fails every test that asks.
func (s *server) url() (string, error) {
	if given := os.Getenv(serverVariable); given != "" {
		return given, nil
	}
	if !s.usable {
		return "", errors.New("nobody would stop the test server: add `func TestMain(m *testing.M) { localtest.Main(m) }`")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.asked {
		s.asked = true
		s.err = s.start()
	}
	if s.err != nil {
		return "", s.err
	}
	return s.postgres.URL(), nil
}

func (s *server) start() error {
	sweep(os.TempDir())
	dir, err := makeDir(serverDirPrefix)
	if err != nil {
		return fmt.Errorf("make a directory for the test server: %w", err)
	}
	s.dir = dir
	ctx, cancel := context.WithTimeoutCause(context.Background(), startTimeout, errors.New("the test server took too long to start"))
	defer cancel()
	s.postgres, err = local.StartPostgres(ctx, local.PostgresConfig{
		Dir: dir, Fast: true, StopWithParent: true, Logger: slog.New(slog.DiscardHandler),
	})
	return err
}

// stop stops the server, if it was started, and removes its files.
func (s *server) stop(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.dir == "" {
		return nil
	}
	var err error
	if s.postgres != nil {
		err = s.postgres.Stop(ctx)
	}
	return errors.Join(err, removeCluster(s.dir))
}

// Dir returns an empty directory of the test's own which, unlike testing's, an
// unprivileged Postgres can reach when the tests run as root.
func Dir(t testing.TB) string {
	t.Helper()
	dir, err := makeDir("paybuf-test-dir-")
	if err != nil {
		t.Fatal("localtest: ", err)
	}
	t.Cleanup(func() {
		if err := removeCluster(dir); err != nil {
			t.Error("localtest: ", err)
		}
	})
	return dir
}

const serverDirPrefix = "paybuf-test-postgres-"

// makeDir makes a directory that the server's unprivileged user may pass,
// unlike testing's own, when the tests run as root.
func makeDir(prefix string) (string, error) {
	dir, err := os.MkdirTemp("", prefix)
	if err != nil {
		return "", err
	}
	return dir, os.Chmod(dir, 0o711)
}

// removeCluster removes a server's directory, and the cluster wherever it is.
func removeCluster(dir string) error {
	if target, err := os.Readlink(filepath.Join(dir, "postgres")); err == nil {
		if err := os.RemoveAll(filepath.Dir(target)); err != nil {
			return err
		}
	}
	return os.RemoveAll(dir)
}
