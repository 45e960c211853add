package subject

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/paybuf/paybuf/bench/peer"
)

// holdCommand makes this test's program start a peer, print its process id, and
// wait to be killed.
const holdCommand = "hold"

// TestMain serves a peer, or starts one, if it is asked to: the program that
// starts its peers is the test itself.
func TestMain(m *testing.M) {
	runtime.LockOSThread()
	var err error
	switch {
	case len(os.Args) == 3 && os.Args[1] == PeerCommand:
		err = Serve(context.Background(), os.Args[2], os.Stdin, os.Stdout)
	case len(os.Args) == 3 && os.Args[1] == holdCommand:
		err = hold(os.Args[2])
	default:
		os.Exit(m.Run())
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func hold(dir string) error {
	s, err := StartPeer(context.Background(), peer.Bare, dir, nil)
	if err != nil {
		return err
	}
	fmt.Println(s.PID)
	_, err = io.Copy(io.Discard, os.Stdin)
	return errors.Join(err, s.Stop())
}

// lock keeps a test on its thread, with which the servers that it starts end.
func lock(t *testing.T) {
	t.Helper()
	runtime.LockOSThread()
	t.Cleanup(runtime.UnlockOSThread)
}

func isGone(pid int) bool { return errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) }

func TestPeer_servesUntilItIsStopped(t *testing.T) {
	lock(t)
	s, err := StartPeer(t.Context(), peer.Bare, t.TempDir(), nil)
	if err != nil {
		t.Fatal(err)
	}
	var dialer net.Dialer
	conn, err := dialer.DialContext(t.Context(), "tcp", s.Address)
	if err != nil {
		t.Errorf("it does not listen: %v", err)
	} else {
		_ = conn.Close()
	}
	if s.CountsRepeats || s.PostgresPID != 0 {
		t.Errorf("it cannot tell repeats and has no Postgres: %+v", s)
	}
	if err := s.Stop(); err != nil || !isGone(s.PID) {
		t.Errorf("it still runs: %v", err)
	}
}

func TestPeer_endsWhenItsStarterIsKilled(t *testing.T) {
	starter := exec.CommandContext(t.Context(), os.Args[0], holdCommand, t.TempDir())
	stdin, err := starter.StdinPipe() // never closed: only the kill can end it
	if err != nil {
		t.Fatal(err)
	}
	defer stdin.Close()
	stdout, err := starter.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := starter.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(line))
	if err != nil || isGone(pid) {
		t.Fatalf("peer %q does not run: %v", line, err)
	}
	_ = starter.Process.Kill()
	_ = starter.Wait()
	deadline := time.Now().Add(20 * time.Second)
	ticker := time.NewTicker(10 * time.Millisecond)
	defer ticker.Stop()
	for !isDead(pid) {
		if time.Now().After(deadline) {
			t.Fatalf("peer %d still runs", pid)
		}
		<-ticker.C
	}
}

// isDead also takes a process for dead that nobody has waited for yet, since
// its new parent may not.
func isDead(pid int) bool {
	line, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err != nil || strings.Contains(string(line), ") Z ")
}

func TestPeer_thatEndedByItselfIsAnErrorOfStop(t *testing.T) {
	lock(t)
	s, err := StartPeer(t.Context(), peer.Bare, t.TempDir(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(s.PID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	deadline := time.Now().Add(20 * time.Second)
	for ticker := time.NewTicker(10 * time.Millisecond); !isGone(s.PID); <-ticker.C {
		if time.Now().After(deadline) {
			t.Fatal("it cannot be killed")
		}
	}
	if err := s.Stop(); err == nil || !strings.Contains(err.Error(), "bare ended") {
		t.Errorf("stop: %v", err)
	}
}

func TestStart_quotesAServerThatDoesNot(t *testing.T) {
	lock(t)
	dir := t.TempDir()
	if _, err := StartPeer(t.Context(), "nonsense", dir, nil); err == nil || !strings.Contains(err.Error(), "no such peer") {
		t.Errorf("a peer that is none: %v", err)
	}
	if _, err := BuildPaybuf(t.Context(), dir, dir); err == nil || !strings.Contains(err.Error(), "go.mod") {
		t.Errorf("a build without sources: %v", err)
	}
	if _, err := StartPaybuf(t.Context(), "/bin/false", dir); !errors.Is(err, errEnded) {
		t.Errorf("a program that ends at once: %v", err)
	}
	if got := PaybufVersion(t.Context(), dir); got != "unreleased" {
		t.Errorf("sources without git are called %q", got)
	}
}

func TestStart_keepsOurSettingsOutOfTheMeasured(t *testing.T) {
	t.Setenv("PAYBUF_DEDUP_WINDOW", "1h")
	t.Setenv("BENCH_TEST", "kept")
	environment := strings.Join(ownEnvironment(), "\n")
	if strings.Contains(environment, "PAYBUF_") || !strings.Contains(environment, "BENCH_TEST=kept") {
		t.Errorf("the environment is\n%s", environment)
	}
}
