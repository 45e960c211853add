//go:build crash

package fault_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/paybuf/paybuf/internal/fault"
)

// childVariable tells a child how often to pass a point.
const childVariable = "TEST_FAULT_CHILD"

func TestMain(m *testing.M) {
	if os.Getenv(childVariable) == "" {
		os.Exit(m.Run())
	}
	for pass := range 1000 {
		fmt.Println("pass", pass)
		fault.At(fault.ProcessorClaimed)
		fault.At(fault.ProcessorAcked)
	}
	fmt.Println("dropped", fault.Dropped(fault.Fence), fault.Dropped(fault.LookUp))
}

// child runs a process that passes two points a thousand times.
func child(t *testing.T, crash, drop string) (output string, err error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), childVariable+"=1", fault.CrashVariable+"="+crash, fault.DropVariable+"="+drop)
	text, err := cmd.CombinedOutput()
	return string(text), err
}

func wantKilled(t *testing.T, err error) {
	t.Helper()
	exit, ok := errors.AsType[*exec.ExitError](err)
	if !ok || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
		t.Errorf("it ended with %v", err)
	}
}

func TestAt_killsAtTheNamedPass(t *testing.T) {
	output, err := child(t, "processor.acked:3", "")
	wantKilled(t, err)
	if strings.Count(output, "pass") != 3 || !strings.Contains(output, fault.Killed+"processor.acked") {
		t.Errorf("it said %q", output)
	}
}

func TestAt_ofSeveralTheFirstKills(t *testing.T) {
	output, err := child(t, "processor.acked:3,processor.claimed:2,buffer.sending:1", "")
	wantKilled(t, err)
	if !strings.Contains(output, fault.Killed+"processor.claimed") || strings.Count(output, "pass") != 2 {
		t.Errorf("it said %q", output)
	}
}

func TestAt_byChanceIsTheSameForTheSameSeed(t *testing.T) {
	first, err := child(t, "processor.claimed:0.05:7", "")
	wantKilled(t, err)
	again, _ := child(t, "processor.claimed:0.05:7", "")
	other, _ := child(t, "processor.claimed:0.05:8", "")
	if first != again || first == other {
		t.Errorf("%q, %q and, with another seed, %q", first, again, other)
	}
}

func TestDropped_isWhatWasNamed(t *testing.T) {
	output, err := child(t, "", "look-up")
	if err != nil || !strings.Contains(output, "dropped false true") {
		t.Errorf("%v: %q", err, output)
	}
}

func TestVariables_aTypoIsAnError(t *testing.T) {
	for _, told := range []struct{ crash, drop string }{
		{crash: "processor.claimd:1"}, {crash: "processor.claimed"}, {crash: "processor.claimed:0"},
		{crash: "processor.claimed:1.5:3"}, {crash: "processor.claimed:0.5:x"}, {drop: "fense"}, {drop: "fence,"},
	} {
		if output, err := child(t, told.crash, told.drop); err == nil || !strings.Contains(output, "fault: PAYBUF_") {
			t.Errorf("%+v: %v, %q", told, err, output)
		}
	}
}
