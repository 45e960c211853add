package main

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// stopMax bounds a graceful stop in a test.
const stopMax = 40 * time.Second

// process is a paybuf that runs as a process of its own.
type process struct {
	t      *testing.T
	cmd    *exec.Cmd
	stderr *output
	ended  chan struct{}
}

// output is what a process has said so far.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

// Write implements io.Writer.
func (o *output) Write(data []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(data)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// start starts a command. It is killed at the end of the test, if it still runs
// then.
func start(t *testing.T, args ...string) *process {
	t.Helper()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	p := &process{t: t, cmd: exec.Command(program, args...), stderr: &output{}, ended: make(chan struct{})}
	p.cmd.Env = append(os.Environ(), bePaybuf+"=1")
	p.cmd.Stdout, p.cmd.Stderr = p.stderr, p.stderr
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		_ = p.cmd.Wait() // its code is in ProcessState
		close(p.ended)
	}()
	t.Cleanup(func() {
		p.kill()
		if t.Failed() {
			text := p.stderr.String()
			t.Logf("paybuf %s said:\n%s", strings.Join(args, " "), text[max(0, len(text)-2000):])
		}
	})
	return p
}

// said waits until the process has said something that matches, and gives the
// first group of it.
func (p *process) said(pattern string) string {
	p.t.Helper()
	expression := regexp.MustCompile(pattern)
	var match []string
	eventually(p.t, "it says "+pattern, func() bool {
		match = expression.FindStringSubmatch(p.stderr.String())
		if match == nil && p.hasEnded() {
			p.t.Fatalf("it ended: %s\n%s", p.cmd.ProcessState, p.stderr.String())
		}
		return match != nil
	})
	return match[1]
}

func (p *process) hasEnded() bool {
	select {
	case <-p.ended:
		return true
	default:
		return false
	}
}

// kill is kill -9.
func (p *process) kill() {
	_ = p.cmd.Process.Kill()
	<-p.ended
}

// terminate asks it to stop and gives its exit code.
func (p *process) terminate() int {
	p.t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		p.t.Fatal(err)
	}
	select {
	case <-p.ended:
	case <-time.After(stopMax):
		p.t.Fatalf("it did not stop within %s", stopMax)
	}
	return p.cmd.ProcessState.ExitCode()
}
