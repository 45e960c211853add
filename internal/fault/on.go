//go:build crash

package fault

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"syscall"
)

// Enabled tells whether this is a test build.
const Enabled = true

// The variables that tell a process what to do.
const (
	// CrashVariable is a list, separated by commas, of POINT:N (die at the N-th pass,
	// from 1) and POINT:RATE:SEED (die at each pass with that chance, above 0 and
	// below 1).
	CrashVariable = "PAYBUF_CRASH"
	// DropVariable is a list of protections, separated by commas.
	DropVariable = "PAYBUF_DROP"
)

// Killed is what a process says on its standard error before it dies, in front of
// the point's name.
const Killed = "killed at "

var (
	traps   = must(parseTraps(os.Getenv(CrashVariable)))
	dropped = must(parseDropped(os.Getenv(DropVariable)))
)

// must ends a process that was told what it does not understand: a typo would
// have a run prove nothing.
func must[T any](parsed T, err error) T {
	if err != nil {
		fmt.Fprintln(os.Stderr, "fault:", err)
		os.Exit(2)
	}
	return parsed
}

// At kills the process if it was told to die here.
func At(point Point) {
	trap, set := traps[point]
	if !set || !trap.springs() {
		return
	}
	fmt.Fprintln(os.Stderr, Killed+string(point))
	_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
	select {} // not one step further
}

// Dropped tells whether the process was told to do without a protection.
func Dropped(protection Protection) bool { return slices.Contains(dropped, protection) }

func parseDropped(text string) ([]Protection, error) {
	var list []Protection
	for _, name := range items(text) {
		if !slices.Contains(Protections(), Protection(name)) {
			return nil, fmt.Errorf("%s: there is no protection %q", DropVariable, name)
		}
		list = append(list, Protection(name))
	}
	return list, nil
}

func items(text string) []string {
	if text == "" {
		return nil
	}
	return strings.Split(text, ",")
}
