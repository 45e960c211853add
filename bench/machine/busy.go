package machine

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// Busy is the processor time that the whole machine has spent on something,
// all cores together. What a hypervisor took for other machines counts: it was
// not ours to use.
func Busy() (time.Duration, error) {
	content, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0, fmt.Errorf("processor time of the machine: %w", err)
	}
	return parseBusy(string(content))
}

// parseBusy reads the line "cpu user nice system idle iowait irq softirq steal
// guest guest_nice" (proc(5)). The guests' times are part of user and nice.
func parseBusy(content string) (time.Duration, error) {
	const idle, iowait, steal = 4, 5, 8
	line, _, _ := strings.Cut(content, "\n")
	fields := strings.Fields(line)
	if len(fields) <= steal || fields[0] != "cpu" {
		return 0, fmt.Errorf("%q is no first line of /proc/stat", line)
	}
	total := time.Duration(0)
	for i, field := range fields[1 : steal+1] {
		if at := i + 1; at == idle || at == iowait {
			continue
		}
		ticks, err := strconv.ParseInt(field, 10, 64)
		if err != nil {
			return 0, fmt.Errorf("/proc/stat: %w", err)
		}
		total += time.Duration(ticks) * tick
	}
	return total, nil
}

// LoadAverage is the mean number of running or waiting threads over the last
// minute.
func LoadAverage() (float64, error) {
	content, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return 0, fmt.Errorf("load average: %w", err)
	}
	first, _, _ := strings.Cut(string(content), " ")
	load, err := strconv.ParseFloat(first, 64)
	if err != nil {
		return 0, fmt.Errorf("load average: %w", err)
	}
	return load, nil
}
