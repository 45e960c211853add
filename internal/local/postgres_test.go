package local_test

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/paybuf/paybuf/internal/local"
	"github.com/paybuf/paybuf/internal/local/localtest"
)

// startPostgres starts a cluster that is stopped when the test ends.
func startPostgres(t *testing.T, cfg local.PostgresConfig) *local.Postgres {
	t.Helper()
	p, err := local.StartPostgres(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stopPostgres(t, p) })
	return p
}

// stopPostgres may be called again by the cleanup.
func stopPostgres(t *testing.T, p *local.Postgres) {
	t.Helper()
	if err := p.Stop(context.WithoutCancel(t.Context())); err != nil {
		t.Error(err)
	}
}

// setting asks the server for one of its settings.
func setting(t *testing.T, p *local.Postgres, name string) string {
	t.Helper()
	return strings.Join(localtest.Query(t, p.URL(), "SHOW "+name), ",")
}

func TestStartPostgres_freshClusterIsDurableAndClosed(t *testing.T) {
	dir := localtest.Dir(t)
	p := startPostgres(t, local.PostgresConfig{Dir: dir, Logger: silent})
	for name, want := range map[string]string{
		"fsync": "on", "synchronous_commit": "on", "full_page_writes": "on", "data_checksums": "on",
		"listen_addresses": "127.0.0.1", "server_encoding": "UTF8",
		"TimeZone": "UTC", "is_superuser": "off",
	} {
		if got := setting(t, p, name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	for _, socketDir := range []string{"/tmp", "/var/run/postgresql"} {
		socket := filepath.Join(socketDir, ".s.PGSQL."+setting(t, p, "port"))
		if _, err := os.Stat(socket); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("there is a socket at %s (%v)", socket, err)
		}
	}
	secret := filepath.Join(dir, "postgres.password")
	info, err := os.Stat(secret)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o600 {
		t.Errorf("%s has mode %v", secret, info.Mode())
	}
	if uid := ownerOf(t, p.PID()); uid == 0 {
		t.Error("Postgres runs as root")
	}
}

// ownerOf returns the user id that a process runs as.
func ownerOf(t *testing.T, pid int) uint32 {
	t.Helper()
	info, err := os.Stat(filepath.Join("/proc", strconv.Itoa(pid)))
	if err != nil {
		t.Fatal(err)
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		t.Fatal("no owner in ", info)
	}
	return stat.Uid
}

func TestStartPostgres_urlNeedsThePassword(t *testing.T) {
	p := startPostgres(t, fast(localtest.Dir(t)))
	u, err := url.Parse(p.URL())
	if err != nil {
		t.Fatal(err)
	}
	password, given := u.User.Password()
	if u.Scheme != "postgres" || u.Hostname() != "127.0.0.1" || u.Path != "/paybuf" || u.User.Username() != "paybuf" ||
		u.RawQuery != "sslmode=disable" || !given || len(password) < 20 {
		t.Errorf("the URL is %s", p.URL())
	}
	for _, user := range []*url.Userinfo{url.UserPassword("paybuf", "guess"), url.UserPassword("postgres", password)} {
		u.User = user
		if err := localtest.Try(u.String(), "SELECT 1"); err == nil {
			t.Errorf("%s was let in", user)
		}
	}
}

func TestStartPostgres_restartKeepsDataPortAndPassword(t *testing.T) {
	dir := localtest.Dir(t)
	first := startPostgres(t, fast(dir))
	localtest.Query(t, first.URL(), "CREATE TABLE kept AS SELECT 42 AS n")
	stopPostgres(t, first)
	if alive(first.PID()) {
		t.Fatal("Stop returned before Postgres had ended")
	}
	second := startPostgres(t, fast(dir))
	if second.URL() != first.URL() {
		t.Errorf("the URL changed from %s to %s", first.URL(), second.URL())
	}
	if got := localtest.Query(t, second.URL(), "SELECT n FROM kept"); !slices.Equal(got, []string{"42"}) {
		t.Errorf("kept is %v", got)
	}
}

func TestStartPostgres_movesWhenItsPortWasTaken(t *testing.T) {
	dir := localtest.Dir(t)
	first := startPostgres(t, fast(dir))
	localtest.Query(t, first.URL(), "CREATE TABLE kept AS SELECT 42 AS n")
	stopPostgres(t, first)
	u, err := url.Parse(first.URL())
	if err != nil {
		t.Fatal(err)
	}
	var config net.ListenConfig
	squatter, err := config.Listen(t.Context(), "tcp4", u.Host)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = squatter.Close() }()
	second := startPostgres(t, fast(dir))
	if second.URL() == first.URL() {
		t.Fatal("the URL names a port that another process has")
	}
	if got := localtest.Query(t, second.URL(), "SELECT n FROM kept"); !slices.Equal(got, []string{"42"}) {
		t.Errorf("kept is %v", got)
	}
}

func TestStartPostgres_newPasswordWhenItsFileIsLost(t *testing.T) {
	dir := localtest.Dir(t)
	first := startPostgres(t, fast(dir))
	stopPostgres(t, first)
	if err := os.Remove(filepath.Join(dir, "postgres.password")); err != nil {
		t.Fatal(err)
	}
	second := startPostgres(t, fast(dir))
	if err := localtest.Try(first.URL(), "SELECT 1"); err == nil {
		t.Error("the old password is still good")
	}
	localtest.Query(t, second.URL(), "SELECT 1")
}

func TestStartPostgres_removedDirectoryStartsAfresh(t *testing.T) {
	// testing's directory is closed to others, so that as root the cluster is
	// kept elsewhere, where removing the directory does not reach it.
	dir := filepath.Join(t.TempDir(), "data")
	first := startPostgres(t, fast(dir))
	t.Cleanup(func() { removeRelocated(t, dir) })
	localtest.Query(t, first.URL(), "CREATE TABLE kept AS SELECT 42 AS n")
	_, err := os.Readlink(filepath.Join(dir, "postgres"))
	if relocated := err == nil; relocated != (os.Geteuid() == 0) {
		t.Errorf("running as %d: is the cluster kept elsewhere? %v", os.Geteuid(), relocated)
	}
	stopPostgres(t, first)

	again := startPostgres(t, fast(dir))
	localtest.Query(t, again.URL(), "SELECT n FROM kept")
	stopPostgres(t, again)

	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	afresh := startPostgres(t, fast(dir))
	if err := localtest.Try(afresh.URL(), "SELECT n FROM kept"); err == nil {
		t.Error("the removed directory's data are back")
	}
}

// removeRelocated removes what a cluster kept elsewhere leaves.
func removeRelocated(t *testing.T, dir string) {
	t.Helper()
	target, err := os.Readlink(filepath.Join(dir, "postgres"))
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.EINVAL) {
		return
	}
	if err := errors.Join(err, os.RemoveAll(filepath.Dir(target))); err != nil {
		t.Error(err)
	}
}

func TestStartPostgres_failureQuotesTheLog(t *testing.T) {
	dir := localtest.Dir(t)
	stopPostgres(t, startPostgres(t, fast(dir)))
	config := filepath.Join(dir, "postgres", "postgresql.conf")
	if err := os.WriteFile(config, []byte("no_such_setting = 1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := local.StartPostgres(t.Context(), fast(dir))
	if err == nil || !strings.Contains(err.Error(), "no_such_setting") {
		t.Errorf("the error is %v", err)
	}
}

func TestPostgres_logHoldsNothingOfPayments(t *testing.T) {
	dir := localtest.Dir(t)
	p := startPostgres(t, fast(dir))
	const order = "order-918273"
	for _, statement := range []string{
		"CREATE TABLE orders (number text PRIMARY KEY); INSERT INTO orders VALUES ('" + order + "'), ('" + order + "')",
		"SELECT '" + order + "'::int",
		"SELECT no_such_function('" + order + "')",
		"DO $$ BEGIN RAISE WARNING '" + order + "'; RAISE EXCEPTION '" + order + "'; END $$",
	} {
		if err := localtest.Try(p.URL(), statement); err == nil {
			t.Errorf("no error from %s", statement)
		}
	}
	stopPostgres(t, p)
	log, err := fs.ReadFile(os.DirFS(dir), "postgres.log")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(log), "database system is shut down") {
		t.Errorf("the log does not tell of the shutdown:\n%s", log)
	}
	if strings.Contains(string(log), order) {
		t.Errorf("the log holds an order number:\n%s", log)
	}
}

func TestStartPostgres_needsADirectory(t *testing.T) {
	if _, err := local.StartPostgres(t.Context(), local.PostgresConfig{}); err == nil {
		t.Error("started nowhere")
	}
}

func TestStartPostgres_endsWithItsContext(t *testing.T) {
	dir := localtest.Dir(t)
	reason := errors.New("the operator pressed Ctrl-C")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(reason)
	if _, err := local.StartPostgres(ctx, fast(dir)); !errors.Is(err, reason) {
		t.Errorf("the error is %v", err)
	}
	stopPostgres(t, startPostgres(t, fast(dir)))
}
