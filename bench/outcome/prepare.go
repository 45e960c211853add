package outcome

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/paybuf/paybuf/internal/local"
)

const (
	prepareTimeout = time.Minute
	settingsMode   = 0o600
)

var errPrepareSlow = errors.New("preparing postgres took too long")

// settings make a cluster tell when it has committed, and count statements.
const settings = `
track_commit_timestamp = on
shared_preload_libraries = 'pg_stat_statements'
`

// Prepare makes the private cluster of dir, before anybody uses it, such that it
// tells what a Ledger asks. All else is as Paybuf sets it. It needs Postgres' contrib
// modules, which Debian has in the server's package.
func Prepare(ctx context.Context, dir string) error {
	ctx, cancel := context.WithTimeoutCause(ctx, prepareTimeout, errPrepareSlow)
	defer cancel()
	postgres, err := local.StartPostgres(ctx, local.PostgresConfig{
		Dir: dir, StopWithParent: true, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		return fmt.Errorf("prepare postgres: %w", err)
	}
	program, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", postgres.PID()))
	if err := errors.Join(err, postgres.Stop(ctx)); err != nil {
		return fmt.Errorf("prepare postgres: %w", err)
	}
	cluster := filepath.Join(dir, "postgres")
	if err := errors.Join(addSettings(cluster), addCounts(ctx, program, cluster)); err != nil {
		return fmt.Errorf("prepare postgres: %w", err)
	}
	return nil
}

func addSettings(cluster string) (err error) {
	file, err := os.OpenFile(filepath.Join(cluster, "postgresql.conf"), os.O_APPEND|os.O_WRONLY, settingsMode) //nolint:gosec // in our own directory
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	_, err = file.WriteString(settings)
	return err
}

// addCounts makes the view that tells them, in the single-user mode: nobody can log
// in as the superuser, who alone may do it.
func addCounts(ctx context.Context, program, cluster string) error {
	owner, err := os.Stat(filepath.Join(cluster, "PG_VERSION"))
	if err != nil {
		return err
	}
	single := exec.CommandContext(ctx, program, "--single", "-D", cluster, "-c", "exit_on_error=true", "paybuf") //nolint:gosec // the cluster's own program
	single.Dir = cluster
	single.Stdin = strings.NewReader("CREATE EXTENSION pg_stat_statements\n")
	if stat, ok := owner.Sys().(*syscall.Stat_t); ok && os.Geteuid() == 0 {
		single.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: stat.Uid, Gid: stat.Gid}}
	}
	if said, err := single.CombinedOutput(); err != nil {
		return fmt.Errorf("create pg_stat_statements: %w\n%s", errors.Join(err, context.Cause(ctx)), said)
	}
	return nil
}
