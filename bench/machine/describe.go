package machine

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
)

// Machine is what the numbers were measured on.
type Machine struct {
	Processor   string
	Cores       int
	MemoryBytes int64
	System      string // distribution, or "Linux"
	Kernel      string
	GoVersion   string
}

// Describe reads what the machine says of itself.
func Describe() (Machine, error) {
	processor, procErr := firstValue("/proc/cpuinfo", ":", "model name", "Processor", "cpu model")
	system, sysErr := firstValue("/etc/os-release", "=", "PRETTY_NAME")
	if errors.Is(sysErr, os.ErrNotExist) {
		sysErr = nil
	}
	kernel, kernelErr := os.ReadFile("/proc/sys/kernel/osrelease")
	memory, memErr := readKiB("/proc/meminfo", "MemTotal:")
	if err := errors.Join(procErr, sysErr, kernelErr, memErr); err != nil {
		return Machine{}, fmt.Errorf("describe the machine: %w", err)
	}
	return Machine{
		Processor:   orElse(processor, runtime.GOARCH),
		Cores:       runtime.NumCPU(),
		MemoryBytes: memory << 10,
		System:      orElse(strings.Trim(system, `"`), "Linux"),
		Kernel:      strings.TrimSpace(string(kernel)),
		GoVersion:   runtime.Version(),
	}, nil
}

// firstValue finds the first line "NAME separator VALUE" of a name, "" if there is
// none: not every processor has a name.
func firstValue(file, separator string, names ...string) (string, error) {
	content, err := os.ReadFile(file) //nolint:gosec // a file of the system
	if err != nil {
		return "", err
	}
	for _, name := range names {
		for line := range strings.Lines(string(content)) {
			key, value, found := strings.Cut(line, separator)
			if found && strings.TrimSpace(key) == name {
				return strings.TrimSpace(value), nil
			}
		}
	}
	return "", nil
}

func orElse(text, otherwise string) string {
	if text == "" {
		return otherwise
	}
	return text
}
