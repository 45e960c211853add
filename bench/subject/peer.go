package subject

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/paybuf/paybuf/bench/peer"
	"github.com/paybuf/paybuf/internal/local"
)

// PostgresVariable tells a peer's process where its Postgres is: an environment
// is not shown to other users, unlike a command line.
const PostgresVariable = "BENCH_POSTGRES_URL"

// PeerCommand is the hidden first argument by which this program serves a peer,
// the second naming it.
const PeerCommand = "peer"

// StartPeer runs a peer in a process of this same program; postgres is nil for
// one that needs none. Call it from the main goroutine, locked to its thread.
func StartPeer(ctx context.Context, kind peer.Kind, dir string, postgres *local.Postgres) (*Subject, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", kind, err)
	}
	s := &Subject{Name: string(kind), CountsRepeats: kind != peer.Bare}
	cmd := exec.CommandContext(context.WithoutCancel(ctx), program, PeerCommand, string(kind)) //nolint:gosec // ourselves
	if postgres != nil {
		cmd.Env = []string{PostgresVariable + "=" + postgres.URL()}
		s.PostgresPID = postgres.PID()
	}
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", kind, err)
	}
	address, told, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", kind, err)
	}
	defer func() { _ = address.Close() }() // read to its one line
	cmd.Stdout = told
	p, err := start(s.Name, cmd, filepath.Join(dir, s.Name+".log"))
	if err := errors.Join(err, told.Close()); err != nil {
		return nil, err
	}
	s.PID = cmd.Process.Pid
	s.stop = func() error { return p.stop(stdin.Close) }
	if s.Address, err = readAddress(address); err != nil {
		return nil, errors.Join(fmt.Errorf("start %s: %w%s", kind, err, p.lastWords()), s.stop())
	}
	return s, nil
}

// readAddress reads the one line that a peer says when it is ready.
func readAddress(from *os.File) (string, error) {
	if err := from.SetReadDeadline(time.Now().Add(startTimeout)); err != nil {
		return "", err
	}
	line, err := bufio.NewReader(from).ReadString('\n')
	if err != nil {
		return "", fmt.Errorf("wait for its address: %w", err)
	}
	return strings.TrimSpace(line), nil
}
