package local

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

const (
	readyPoll = 10 * time.Millisecond
	exitPoll  = 50 * time.Millisecond
	// killTimeout bounds the wait after each signal that follows the polite one.
	killTimeout = 5 * time.Second
)

var errExited = errors.New("postgres ended before it was ready")

// postmaster is a running Postgres: our child, or one that an earlier process
// left behind.
type postmaster struct {
	process *os.Process
	data    string
	exited  chan struct{} // closed once it is gone
}

// launch starts a postmaster as our child.
func launch(cfg PostgresConfig, p place, progs programs, port int) (*postmaster, error) {
	logFile, err := os.OpenFile(p.log(), os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open Postgres' log: %w", err)
	}
	cmd := p.account.command(progs.postgres, serverArgs(cfg, p.cluster, port))
	cmd.Stdout, cmd.Stderr = logFile, logFile
	if cfg.StopWithParent {
		dieWithParent(cmd.SysProcAttr, syscall.SIGINT)
	}
	c, err := start(cmd)
	if err := errors.Join(err, logFile.Close()); err != nil {
		return nil, err
	}
	return &postmaster{process: cmd.Process, data: p.cluster, exited: c.exited}, nil
}

// findPostmaster returns the postmaster that runs on data, with its pid file,
// or nil if none does.
//
// A pid file without such a process is removed: Postgres would not start if
// another process has got the number since. Should the server live all the
// same, the shared memory that it holds still keeps a second one out.
func findPostmaster(data string) (*postmaster, pidFile, error) {
	file, err := readPIDFile(data)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, pidFile{}, nil
	}
	if err != nil {
		return nil, pidFile{}, fmt.Errorf("look for a running Postgres: %w", err)
	}
	process, err := holdPostmaster(file.pid, data)
	if err != nil {
		return nil, pidFile{}, err
	}
	if process == nil {
		return nil, pidFile{}, removeIfThere(filepath.Join(data, pidFileName))
	}
	m := &postmaster{process: process, data: data, exited: make(chan struct{})}
	go m.watch()
	return m, file, nil
}

// holdPostmaster returns a handle on process pid if it is the postmaster of
// data, else nil. The handle comes first: where the kernel can, it pins the
// process, so that no signal ever reaches a later owner of the number.
func holdPostmaster(pid int, data string) (*os.Process, error) {
	if pid == 0 {
		return nil, nil
	}
	process, err := os.FindProcess(pid)
	if err != nil {
		return nil, fmt.Errorf("look at process %d: %w", pid, err)
	}
	serves, err := isPostmaster(pid, data)
	if serves {
		return process, nil
	}
	return nil, errors.Join(err, process.Release())
}

// watch closes exited when a postmaster that is not our child is gone.
func (m *postmaster) watch() {
	defer close(m.exited)
	ticker := time.NewTicker(exitPoll)
	defer ticker.Stop()
	for range ticker.C {
		if serves, err := isPostmaster(m.process.Pid, m.data); !serves && err == nil {
			return
		}
	}
}

// awaitReady waits until the postmaster says that it is ready and answers a
// connection. errExited means that it ended instead.
func (m *postmaster) awaitReady(ctx context.Context, port int) error {
	return poll(ctx, readyPoll, func() (bool, error) {
		if m.ended() {
			return false, errExited
		}
		file, err := readPIDFile(m.data)
		if err != nil || file.pid != m.process.Pid || file.status != "ready" {
			return false, nil //nolint:nilerr // The file is written line by line while Postgres starts.
		}
		return answers(ctx, port), nil
	})
}

// stop asks for a fast shutdown (clients are disconnected, everything is
// written) and waits. If ctx ends first, Postgres is made to quit without
// writing, which the next start repairs, and stop returns an error.
func (m *postmaster) stop(ctx context.Context) error {
	if err := m.signal(syscall.SIGINT); err != nil {
		return err
	}
	if m.gone(ctx) {
		return nil
	}
	late := fmt.Errorf("postgres did not shut down in time and was made to quit; the next start recovers: %w", context.Cause(ctx))
	for _, sig := range []syscall.Signal{syscall.SIGQUIT, syscall.SIGKILL} {
		if err := m.signal(sig); err != nil {
			return errors.Join(late, err)
		}
		if m.goneWithin(killTimeout) {
			return late
		}
	}
	return errors.Join(late, fmt.Errorf("process %d could not be killed", m.process.Pid))
}

// signal sends sig; a process that is gone already is no error.
func (m *postmaster) signal(sig syscall.Signal) error {
	err := m.process.Signal(sig)
	if err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("send %s to postgres, process %d: %w", sig, m.process.Pid, err)
	}
	return nil
}

// gone waits for the end of the postmaster and reports whether it came before
// that of ctx.
func (m *postmaster) gone(ctx context.Context) bool {
	select {
	case <-m.exited:
		return true
	case <-ctx.Done():
		return m.ended()
	}
}

func (m *postmaster) goneWithin(limit time.Duration) bool {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	return m.gone(ctx)
}

func (m *postmaster) ended() bool {
	select {
	case <-m.exited:
		return true
	default:
		return false
	}
}
