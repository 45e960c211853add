package main

import (
	"bytes"
	"context"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/paybuf/paybuf/internal/local/localtest"
)

const (
	waitMax  = 30 * time.Second // for what must happen
	waitStep = 10 * time.Millisecond
	anyPort  = "127.0.0.1:0"
)

// bePaybuf makes this test binary the program itself, so that tests can start,
// stop and kill real processes of the very code under test, race detector
// included. It does not begin like our variables, which paybuf would refuse.
const bePaybuf = "TEST_BE_PAYBUF"

func TestMain(m *testing.M) {
	if os.Getenv(bePaybuf) != "" {
		main() // ends the process
	}
	for _, entry := range os.Environ() { // what tests set themselves is all there is
		if name, _, _ := strings.Cut(entry, "="); strings.HasPrefix(name, envPrefix) && name != "PAYBUF_TEST_POSTGRES" {
			_ = os.Unsetenv(name)
		}
	}
	localtest.Main(m)
}

// result is what a command left behind.
type result struct {
	code           int
	stdout, stderr string
}

// paybuf runs a command in this process, to its end.
func paybuf(t *testing.T, args ...string) result {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*waitMax)
	defer cancel()
	return paybufUntil(ctx, args...)
}

func paybufUntil(ctx context.Context, args ...string) result {
	var stdout, stderr bytes.Buffer
	code := run(ctx, args, &stdout, &stderr)
	return result{code: code, stdout: stdout.String(), stderr: stderr.String()}
}

// must runs a command that succeeds, and gives what it printed.
func must(t *testing.T, args ...string) string {
	t.Helper()
	got := paybuf(t, args...)
	if got.code != exitOK {
		t.Fatalf("paybuf %s: exit code %d\n%s%s", strings.Join(args, " "), got.code, got.stdout, got.stderr)
	}
	return got.stdout
}

// refuse runs a command that fails with an exit code and says something.
func refuse(t *testing.T, code int, text string, args ...string) {
	t.Helper()
	got := paybuf(t, args...)
	if got.code != code || !strings.Contains(got.stderr, text) {
		t.Errorf("paybuf %s: exit code %d and %q, want %d and %q", strings.Join(args, " "), got.code, got.stderr, code, text)
	}
	if got.stdout != "" {
		t.Errorf("paybuf %s fails and prints %q", strings.Join(args, " "), got.stdout)
	}
}

func equal[T comparable](t *testing.T, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("%s: %v, want %v", what, got, want)
	}
}

// eventually waits until something holds.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(waitMax); !holds(); <-time.After(waitStep) {
		if time.Now().After(deadline) {
			t.Fatalf("not within %s: %s", waitMax, what)
		}
	}
}
