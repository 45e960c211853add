package local_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/paybuf/paybuf/internal/local"
	"github.com/paybuf/paybuf/internal/local/localtest"
)

// ownerVariable turns the test binary into the owner of what it names; a test
// starts one to kill it.
const ownerVariable = "PAYBUF_LOCAL_TEST_OWNER"

const (
	ownerPostgres      = "postgres"
	ownerPostgresBound = "postgres that stops with its parent"
	ownerNATS          = "nats"

	waitTimeout = 30 * time.Second
	waitPoll    = time.Millisecond
)

func TestMain(m *testing.M) {
	if what := os.Getenv(ownerVariable); what != "" {
		if err := own(what, os.Args[len(os.Args)-1]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	localtest.Main(m)
}

// own starts what is asked for, says so in one line, and never stops it; it
// ends when the test does.
func own(what, dir string) error {
	ctx := context.Background()
	var line string
	switch what {
	case ownerNATS:
		n, err := local.StartNATS(ctx, local.NATSConfig{Dir: dir, Logger: silent})
		if err != nil {
			return err
		}
		if line, err = fill(n); err != nil {
			return err
		}
	default:
		cfg := fast(dir)
		cfg.StopWithParent = what == ownerPostgresBound
		p, err := local.StartPostgres(ctx, cfg)
		if err != nil {
			return err
		}
		line = fmt.Sprintf("%d %s", p.PID(), p.URL())
	}
	fmt.Println(line)
	_, err := io.Copy(io.Discard, os.Stdin)
	return errors.Join(errors.New("nobody killed this process"), err)
}

var silent = slog.New(slog.DiscardHandler)

// fast is the configuration of most tests' clusters.
func fast(dir string) local.PostgresConfig {
	return local.PostgresConfig{Dir: dir, Fast: true, Logger: silent}
}

// owner is a process that owns a Postgres or a NATS.
type owner struct {
	cmd  *exec.Cmd
	in   io.Closer
	said *bufio.Reader
}

func startOwner(t *testing.T, what, dir string) *owner {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], dir)
	cmd.Env = append(os.Environ(), ownerVariable+"="+what)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe() // open for as long as the owner shall live
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	o := &owner{cmd: cmd, in: in, said: bufio.NewReader(out)}
	t.Cleanup(func() { o.kill(t) })
	return o
}

// line waits for the owner to say that it owns what it was started for.
func (o *owner) line(t *testing.T) string {
	t.Helper()
	line, err := o.said.ReadString('\n')
	if err != nil {
		t.Fatal("the owner said nothing: ", err)
	}
	return strings.TrimSpace(line)
}

// kill sends SIGKILL, which leaves the owner no moment to stop anything. What
// it started may hold its output open, so only the process is waited for.
func (o *owner) kill(t *testing.T) {
	t.Helper()
	if o.cmd.ProcessState != nil {
		return
	}
	if err := o.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		t.Error(err)
	}
	var exit *exec.ExitError
	if err := o.cmd.Wait(); !errors.As(err, &exit) && !errors.Is(err, context.Canceled) {
		t.Error("the owner ended with ", err)
	}
}

// eventually polls until the condition holds.
func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), waitTimeout)
	defer cancel()
	ticker := time.NewTicker(waitPoll)
	defer ticker.Stop()
	for !condition() {
		select {
		case <-ctx.Done():
			t.Fatalf("still not so after %s: %s", waitTimeout, what)
		case <-ticker.C:
		}
	}
}

// alive reports whether a process exists and is more than a zombie.
func alive(pid int) bool {
	out, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	return err == nil && len(out) > 0
}
