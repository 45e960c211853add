package local

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// superuser owns the cluster. It has no password and no line in pg_hba.conf,
// so nobody can log in as it.
const superuser = "postgres"

// hostAccess replaces initdb's pg_hba.conf: one role, one database, from this
// machine, with a password.
const hostAccess = "# type database user address method\n" +
	"host " + databaseName + " " + roleName + " " + loopback + "/32 scram-sha-256\n"

// create makes the cluster under another name and renames it when it is
// complete: a cluster cut short by a kill is never mistaken for one.
func (p place) create(ctx context.Context, cfg PostgresConfig, progs programs, password string) error {
	p.removeUnfinished(ctx) // first of all, as a full disk may need the space
	temp, err := os.MkdirTemp(p.home(), unfinishedPrefix+"*")
	if err != nil {
		return fmt.Errorf("make the cluster's directory: %w", err)
	}
	if err := p.fill(ctx, cfg, progs, temp, password); err != nil {
		return errors.Join(fmt.Errorf("create the cluster: %w", err), os.RemoveAll(temp))
	}
	if err := os.Rename(temp, p.cluster); err != nil {
		return errors.Join(fmt.Errorf("put the cluster in place: %w", err), os.RemoveAll(temp))
	}
	return syncDir(p.home())
}

const (
	unfinishedPrefix = "postgres.unfinished-"
	// orphanPatience bounds the wait for a program of an interrupted create that
	// still writes: a killed initdb's backend ends by itself at its next read.
	orphanPatience = 5 * time.Second
	orphanPause    = 20 * time.Millisecond
)

// removeUnfinished clears what an interrupted create left. A backend that
// outlived its initdb puts files into a directory while it is being emptied, so
// it is emptied again until it is gone; what outlasts the wait is for next time.
func (p place) removeUnfinished(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, orphanPatience)
	defer cancel()
	for !p.removedUnfinished() && ctx.Err() == nil {
		select {
		case <-time.After(orphanPause):
		case <-ctx.Done():
		}
	}
}

// removedUnfinished reports whether nothing unfinished is left.
func (p place) removedUnfinished() bool {
	leftovers, err := filepath.Glob(filepath.Join(p.home(), unfinishedPrefix+"*"))
	if err != nil {
		return true // the pattern's fault: a wait changes nothing
	}
	var errs []error
	for _, dir := range leftovers {
		errs = append(errs, os.RemoveAll(dir))
	}
	return errors.Join(errs...) == nil
}

// fill runs initdb, lets in the role alone, and creates it with its database.
func (p place) fill(ctx context.Context, cfg PostgresConfig, progs programs, temp, password string) error {
	if err := p.account.own(temp); err != nil {
		return err
	}
	if err := p.account.runTool(ctx, progs.initdb, initdbArgs(cfg, temp), ""); err != nil {
		return err
	}
	access := filepath.Join(temp, "pg_hba.conf")
	if err := writeDurably(access, hostAccess); err != nil {
		return err
	}
	if err := p.account.own(access); err != nil {
		return err
	}
	statements := fmt.Sprintf("CREATE ROLE %s LOGIN PASSWORD '%s'\nCREATE DATABASE %s OWNER %s\n",
		roleName, password, databaseName, roleName) // rand.Text has nothing to quote
	return p.account.runTool(ctx, progs.postgres, singleArgs(cfg, temp, "postgres"), statements)
}

// initdbArgs: checksums because the cluster holds money; the C locale because
// it is everywhere and sorts alike everywhere.
func initdbArgs(cfg PostgresConfig, data string) []string {
	args := []string{
		"-D", data, "--username=" + superuser, "--auth=reject", "--encoding=UTF8", "--locale=C",
		"--data-checksums", "--no-instructions",
	}
	if cfg.Fast {
		args = append(args, "--no-sync")
	}
	return args
}

// resetPassword gives the role a new password, for a cluster whose password
// file was lost. The server must not be running.
func (p place) resetPassword(ctx context.Context, cfg PostgresConfig, progs programs, password string) error {
	statement := fmt.Sprintf("ALTER ROLE %s PASSWORD '%s'\n", roleName, password)
	if err := p.account.runTool(ctx, progs.postgres, singleArgs(cfg, p.cluster, "postgres"), statement); err != nil {
		return fmt.Errorf("reset the cluster's password: %w", err)
	}
	return nil
}

// exists reports whether the cluster has been created.
func (p place) exists() (bool, error) {
	_, err := os.Stat(p.cluster)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}
