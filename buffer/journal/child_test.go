package journal

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"testing"
	"time"
)

// The test binary runs itself in another role: the variable names it.
const (
	childRole = "PAYBUF_JOURNAL_TEST_ROLE"
	childDir  = "PAYBUF_JOURNAL_TEST_DIR"

	roleAppend = "append"

	// childTimeout ends a child that nobody ended.
	childTimeout = time.Minute
)

// roles gives what a child does in a directory, and the code it exits with.
var roles = map[string]func(dir string) int{roleAppend: appendForEver}

func runChild(role string) int {
	return roles[role](os.Getenv(childDir))
}

// child prepares the test binary in a role. It ends with the test at the latest.
func child(t *testing.T, role, dir string) *exec.Cmd {
	t.Helper()
	ctx, cancel := context.WithTimeoutCause(t.Context(), childTimeout, errors.New("the child took too long"))
	t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, os.Args[0])
	cmd.Env = append(os.Environ(), childRole+"="+role, childDir+"="+dir)
	cmd.Stderr = os.Stderr
	return cmd
}

// appendForEver appends rising numbers from several callers, by Append and by
// Commit, and prints each once it is acknowledged. Only a failure ends it.
func appendForEver(dir string) int {
	j, err := Open(Config{Dir: dir, SegmentBytes: segmentBytes})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	var next numbers
	errs := make(chan error)
	for range 6 {
		go func() {
			for {
				n := next.take(1)
				if err := j.Append(context.Background(), []byte(payloadOf(n))); err != nil {
					errs <- err
					return
				}
				fmt.Println(n)
			}
		}()
	}
	go func() {
		for {
			n := next.take(5)
			group := make([][]byte, 5)
			for i := range group {
				group[i] = []byte(payloadOf(n + i))
			}
			if err := j.Commit(group); err != nil {
				errs <- err
				return
			}
			for i := range group {
				fmt.Println(n + i)
			}
		}
	}()
	fmt.Fprintln(os.Stderr, <-errs)
	return 1
}

// payloadOf gives the payload of a number, of a length that depends on it.
func payloadOf(n int) string {
	return fmt.Sprintf("%d %0*d", n, 1+n*37%900, 0)
}

// numbers hands out numbers that this process has not used.
type numbers struct {
	mu   sync.Mutex
	next int
}

func (n *numbers) take(count int) int {
	n.mu.Lock()
	defer n.mu.Unlock()
	first := n.next
	n.next += count
	return first
}

// acknowledged reads numbers until enough have come, calls meanwhile, kills the
// child and reads what it had still said.
func acknowledged(t *testing.T, cmd *exec.Cmd, enough int, meanwhile func()) []int {
	t.Helper()
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var numbers []int
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		n, err := strconv.Atoi(lines.Text())
		if err != nil {
			continue // cut off by the kill
		}
		if numbers = append(numbers, n); len(numbers) == enough {
			meanwhile()
			if err := cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := cmd.Wait(); err == nil || len(numbers) < enough {
		t.Fatalf("the child ended by itself after %d numbers: %v", len(numbers), err)
	}
	return numbers
}
