package subject

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"time"
)

const (
	startTimeout = time.Minute
	stopTimeout  = 30 * time.Second
	startPoll    = 20 * time.Millisecond
)

var (
	errNotReady   = errors.New("it was not ready in time")
	errEnded      = errors.New("it ended before it was ready")
	errNotStopped = errors.New("it did not stop in time and was killed")
)

// process is a server that we started.
type process struct {
	name  string
	cmd   *exec.Cmd
	log   *os.File
	ended chan struct{} // closed once it was waited for
}

// start starts a command whose messages go to a file. The kernel ends it when the
// thread ends that starts it, so the caller must be the main goroutine, locked to
// the main thread.
func start(name string, cmd *exec.Cmd, logFile string) (*process, error) {
	log, err := os.Create(logFile) //nolint:gosec // in our own directory
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	cmd.Stderr = log
	cmd.Env = slices.Concat(ownEnvironment(), cmd.Env)
	// In a group of its own, Ctrl-C reaches us alone, and we stop it in order.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	if err := cmd.Start(); err != nil {
		return nil, errors.Join(fmt.Errorf("start %s: %w", name, err), log.Close())
	}
	p := &process{name: name, cmd: cmd, log: log, ended: make(chan struct{})}
	go func() {
		defer close(p.ended)
		_ = cmd.Wait() // how it ended is told by ProcessState
	}()
	return p, nil
}

// ownEnvironment is ours without settings for Paybuf: what is measured are its
// defaults.
func ownEnvironment() []string {
	return slices.DeleteFunc(os.Environ(), func(entry string) bool { return strings.HasPrefix(entry, "PAYBUF_") })
}

// awaitReady calls ready until it says so, or the process ends.
func (p *process) awaitReady(ctx context.Context, ready func() (bool, error)) error {
	ctx, cancel := context.WithTimeoutCause(ctx, startTimeout, errNotReady)
	defer cancel()
	ticker := time.NewTicker(startPoll)
	defer ticker.Stop()
	for {
		if ok, err := ready(); ok || err != nil {
			return err
		}
		select {
		case <-ticker.C:
		case <-p.ended:
			return errEnded
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// stop ends the process, politely by ask and at last by force. It is an error if
// it had ended before, or does not end as it should.
func (p *process) stop(ask func() error) error {
	defer func() { _ = p.log.Close() }() // the child wrote to it, not we
	select {
	case <-p.ended:
		return fmt.Errorf("%s ended by itself: %s%s", p.name, p.cmd.ProcessState, p.lastWords())
	default:
	}
	err := ask()
	timer := time.NewTimer(stopTimeout)
	defer timer.Stop()
	select {
	case <-p.ended:
	case <-timer.C:
		err = errors.Join(err, errNotStopped, p.cmd.Process.Kill())
		<-p.ended
	}
	if !p.cmd.ProcessState.Success() {
		err = errors.Join(err, fmt.Errorf("%s ended with %s%s", p.name, p.cmd.ProcessState, p.lastWords()))
	}
	return err
}

// kill ends the process by SIGKILL and waits for it. It is an error if it had ended
// before.
func (p *process) kill() error {
	defer func() { _ = p.log.Close() }() // the child wrote to it, not we
	err := p.cmd.Process.Kill()
	<-p.ended
	if err != nil {
		return fmt.Errorf("kill %s: %w%s", p.name, err, p.lastWords())
	}
	return nil
}

// terminate asks by SIGTERM.
func (p *process) terminate() error {
	err := p.cmd.Process.Signal(syscall.SIGTERM)
	if errors.Is(err, os.ErrProcessDone) {
		return nil
	}
	return err
}

// lastWords quotes the end of what the process said, for an error.
func (p *process) lastWords() string {
	const bytesMax = 2 << 10
	said, err := os.ReadFile(p.log.Name()) //nolint:gosec // made by us
	if err != nil || len(said) == 0 {
		return ""
	}
	return "; it said:\n" + strings.TrimSpace(string(said[max(0, len(said)-bytesMax):]))
}
