package machine

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// tick is the unit of times in /proc: USER_HZ is 100 on all of Linux' platforms
// that Go runs on.
const tick = time.Second / 100

// The fields of /proc/PID/stat that follow the command, counted from 0 (proc(5)).
const (
	fieldParent = 1
	fieldUser   = 11
	fieldSystem = 12
	fieldUserOf = 13 // user and system time of children that were waited for
	fieldSysOf  = 14
	fieldsMin   = 15
)

// stat is a line of /proc/PID/stat.
type stat struct {
	parent   int
	own      time.Duration
	children time.Duration // of those that have ended
}

// CPU is the processor time that a process has used, all its threads together,
// without its children.
func CPU(pid int) (time.Duration, error) {
	s, err := readStat(pid)
	if err != nil {
		return 0, fmt.Errorf("processor time of process %d: %w", pid, err)
	}
	return s.own, nil
}

// TreeCPU is the processor time that a process and all that descend from it have
// used. What a child used is still counted after it has ended.
func TreeCPU(pid int) (time.Duration, error) {
	all, err := readAll()
	if err != nil {
		return 0, fmt.Errorf("processor time of process %d and its children: %w", pid, err)
	}
	if _, lives := all[pid]; !lives {
		return 0, fmt.Errorf("processor time of process %d: it has ended", pid)
	}
	total := time.Duration(0)
	for candidate, s := range all {
		if descends(all, candidate, pid) {
			total += s.own + s.children
		}
	}
	return total, nil
}

// descends tells whether a process is ancestor, or below it.
func descends(all map[int]stat, pid, ancestor int) bool {
	for range len(all) { // the parents are read one by one, so they might form a ring
		if pid == ancestor {
			return true
		}
		s, known := all[pid]
		if !known {
			return false
		}
		pid = s.parent
	}
	return false
}

func readAll() (map[int]stat, error) {
	names, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		return nil, err
	}
	all := make(map[int]stat, len(names))
	for _, name := range names {
		pid, err := strconv.Atoi(filepath.Base(name))
		if err != nil {
			continue
		}
		s, err := readStat(pid)
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ESRCH) {
			continue // ended since
		}
		if err != nil {
			return nil, err
		}
		all[pid] = s
	}
	return all, nil
}

func readStat(pid int) (stat, error) {
	line, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return stat{}, err
	}
	return parseStat(line)
}

// parseStat reads a line whose second field, the command in parentheses, may hold
// anything.
func parseStat(line []byte) (stat, error) {
	fields := strings.Fields(string(line[bytes.LastIndexByte(line, ')')+1:]))
	if len(fields) < fieldsMin {
		return stat{}, fmt.Errorf("%q is no line of /proc/PID/stat", line)
	}
	numbers := make([]int64, fieldsMin)
	for _, at := range []int{fieldParent, fieldUser, fieldSystem, fieldUserOf, fieldSysOf} {
		number, err := strconv.ParseInt(fields[at], 10, 64)
		if err != nil {
			return stat{}, fmt.Errorf("field %d of /proc/PID/stat: %w", at, err)
		}
		numbers[at] = number
	}
	return stat{
		parent:   int(numbers[fieldParent]),
		own:      time.Duration(numbers[fieldUser]+numbers[fieldSystem]) * tick,
		children: time.Duration(numbers[fieldUserOf]+numbers[fieldSysOf]) * tick,
	}, nil
}

// ResidentBytes is the memory of a process that is in RAM.
func ResidentBytes(pid int) (int64, error) {
	kib, err := readKiB(fmt.Sprintf("/proc/%d/status", pid), "VmRSS:")
	if err != nil {
		return 0, fmt.Errorf("memory of process %d: %w", pid, err)
	}
	return kib << 10, nil
}

// PeakResidentBytes is the most memory that a process has had in RAM since it
// started.
func PeakResidentBytes(pid int) (int64, error) {
	kib, err := readKiB(fmt.Sprintf("/proc/%d/status", pid), "VmHWM:")
	if err != nil {
		return 0, fmt.Errorf("peak memory of process %d: %w", pid, err)
	}
	return kib << 10, nil
}

// readKiB finds a line such as "VmRSS:  1234 kB".
func readKiB(file, name string) (int64, error) {
	content, err := os.ReadFile(file) //nolint:gosec // a file of /proc
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(content)) {
		fields := strings.Fields(line)
		if len(fields) == 3 && fields[0] == name && fields[2] == "kB" {
			return strconv.ParseInt(fields[1], 10, 64)
		}
	}
	return 0, fmt.Errorf("%s has no line %s", file, name)
}
