//go:build trial && crash

package trial

import (
	"errors"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/paybuf/paybuf/internal/fault"
)

// mortal is the path of a paybuf that dies where it is told to, and does without
// what it is told to; built by TestMain.
var mortal string

func buildMortal(dir string) error {
	mortal = filepath.Join(dir, "paybuf-mortal")
	return build(mortal, "-tags", "crash")
}

// mortalPatience is how long a process waits for its point before another has its
// turn.
const mortalPatience = 15 * time.Second

// guarded is a process that is started again whenever it has died, with the next
// point to die at.
type guarded struct {
	*member
	armed   fault.Point // "" for none
	since   time.Time   // of its start
	again   time.Time   // when it is started, if it does not run
	resumes time.Time   // while the kernel has stopped it
	woken   time.Time   // when it has had time to write what came too late; zero if it did not sleep
}

func (g *guarded) running() bool {
	if g.process == nil {
		return false
	}
	select {
	case <-g.process.ended:
		return false
	default:
		return true
	}
}

func (g *guarded) paused() bool { return !g.resumes.IsZero() }

// spared tells that nobody but its point may kill it.
func (g *guarded) spared() bool { return g.paused() || !g.woken.IsZero() }

// diedByItself tells the death that it was told to die from every other end.
func (g *guarded) diedByItself() bool { return !g.process.killed && slain(g.process.err) }

// slain tells that a process ended by kill -9.
func slain(err error) bool {
	exit := (*exec.ExitError)(nil)
	if !errors.As(err, &exit) {
		return false
	}
	status, ok := exit.Sys().(syscall.WaitStatus)
	return ok && status.Signaled() && status.Signal() == syscall.SIGKILL
}

// begin starts it to die at its point, at the n-th pass.
func (g *guarded) begin(t *testing.T, in *clusterInstallation, pass string) {
	t.Helper()
	g.environ = nil
	if g.armed != "" {
		g.environ = []string{fault.CrashVariable + "=" + string(g.armed) + ":" + pass}
	}
	g.since, g.again, g.resumes, g.woken = time.Now(), time.Time{}, time.Time{}, time.Time{}
	in.begin(t, g.member)
}
