package local

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

const pidFileName = "postmaster.pid"

// pidFile is what a postmaster says of itself in postmaster.pid (the lines are
// listed in Postgres' source, src/include/utils/pidfile.h).
type pidFile struct {
	pid    int
	port   int
	status string // "starting", "stopping", "ready" or "standby"
}

const (
	pidLine    = 0
	portLine   = 3
	statusLine = 7
)

// readPIDFile reads the pid file of data, in which a postmaster that is just
// starting, or a power cut, may have left anything missing.
func readPIDFile(data string) (pidFile, error) {
	text, err := os.ReadFile(filepath.Join(data, pidFileName)) //nolint:gosec // The path comes from our own configuration.
	if err != nil {
		return pidFile{}, err
	}
	lines := strings.Split(string(text), "\n")
	lines = append(lines, make([]string, statusLine)...)
	return pidFile{
		pid:    number(lines[pidLine]),
		port:   number(lines[portLine]),
		status: strings.TrimSpace(lines[statusLine]),
	}, nil
}

// number is 0 for what is not a positive number: the single-user mode writes
// its process id as a negative one.
func number(line string) int {
	n, err := strconv.Atoi(strings.TrimSpace(line))
	if err != nil {
		return 0
	}
	return max(0, n)
}

// isPostmaster reports whether process pid is the postmaster of data: by its
// command line, or, should someone else have started it in another way, by its
// working directory. The children of a postmaster rename themselves.
func isPostmaster(pid int, data string) (bool, error) {
	line, err := commandLine(pid)
	if err != nil {
		return false, err
	}
	if strings.Contains(line+" ", "/postgres -D "+data+" ") {
		return true, nil
	}
	program, _, _ := strings.Cut(line, " ")
	return filepath.Base(program) == "postgres" && workingDir(pid) == data, nil
}
