package local

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"runtime"
	"syscall"
	"time"
)

const (
	// toolTimeout bounds initdb and postgres --single, each well under a second
	// on an idle machine.
	toolTimeout = 2 * time.Minute
	// toolOutputBytesMax bounds what an error quotes of a program's output.
	toolOutputBytesMax = 4 << 10
)

// child is a process that we started, and the goroutine that waits for it.
type child struct {
	cmd    *exec.Cmd
	exited chan struct{} // closed once the process has been waited for
	err    error         // how it ended; read after exited
}

// start starts cmd, and waits for it in a goroutine that keeps its thread: a
// parent-death signal fires when the starting *thread* ends, so that thread
// must live as long as the child.
func start(cmd *exec.Cmd) (*child, error) {
	c := &child{cmd: cmd, exited: make(chan struct{})}
	started := make(chan error, 1)
	go func() {
		defer close(c.exited)
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			c.err = cmd.Wait()
		}
	}()
	if err := <-started; err != nil {
		<-c.exited
		return nil, fmt.Errorf("start %s: %w", cmd.Path, err)
	}
	return c, nil
}

// command prepares one of Postgres' programs: run by the account, in a process
// group of its own so that Ctrl-C reaches us and not it, and in an environment
// that holds nothing of ours.
func (a account) command(program string, args []string) *exec.Cmd {
	cmd := exec.CommandContext(context.Background(), program, args...)
	cmd.Dir = "/" // our own may be closed to the account
	cmd.Env = []string{"PATH=/usr/bin:/bin", "LC_ALL=C", "TZ=UTC"}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Credential: a.credential()}
	return cmd
}

// runTool runs a program to its end and returns an error that quotes its output.
func (a account) runTool(ctx context.Context, program string, args []string, input string) error {
	ctx, cancel := context.WithTimeoutCause(ctx, toolTimeout, errors.New("it took too long"))
	defer cancel()
	cmd := a.command(program, args)
	dieWithParent(cmd.SysProcAttr, syscall.SIGKILL)
	var output bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader([]byte(input)), &output, &output
	c, err := start(cmd)
	if err != nil {
		return err
	}
	select {
	case <-c.exited:
		err = c.err
	case <-ctx.Done():
		err = errors.Join(context.Cause(ctx), killGroup(cmd.Process.Pid))
		<-c.exited
	}
	if err != nil {
		return fmt.Errorf("%s: %w; it said:\n%s", program, err, lastBytes(output.Bytes(), toolOutputBytesMax))
	}
	return nil
}

// killGroup kills a program with the helpers that it started; they hold its
// output open, so waiting for it alone would wait for them.
func killGroup(pid int) error {
	err := syscall.Kill(-pid, syscall.SIGKILL)
	if errors.Is(err, syscall.ESRCH) {
		return nil
	}
	return err
}

func lastBytes(b []byte, limit int) []byte {
	return bytes.TrimSpace(b[max(0, len(b)-limit):])
}
