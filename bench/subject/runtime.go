package subject

import (
	"bytes"
	"context"
	"fmt"
	"strconv"
	"strings"
)

// Runtime is how a process has set Go's runtime up.
type Runtime struct {
	Threads        int // GOMAXPROCS
	GarbagePercent int // GOGC
	MemoryBytes    int64
}

// Runtime asks a Paybuf for its own.
func (s *Subject) Runtime(ctx context.Context) (Runtime, error) {
	_, metrics, err := s.ask(ctx, "/metrics")
	if err != nil {
		return Runtime{}, fmt.Errorf("runtime: %w", err)
	}
	var values [3]float64
	for i, name := range []string{"go_sched_gomaxprocs_threads", "go_gc_gogc_percent", "go_gc_gomemlimit_bytes"} {
		if values[i], err = gaugeIn(metrics, name); err != nil {
			return Runtime{}, fmt.Errorf("runtime: %w", err)
		}
	}
	return Runtime{Threads: int(values[0]), GarbagePercent: int(values[1]), MemoryBytes: int64(values[2])}, nil
}

// environment sets another process up in the same way.
func (r Runtime) environment() []string {
	return []string{
		fmt.Sprintf("GOMAXPROCS=%d", r.Threads), fmt.Sprintf("GOGC=%d", r.GarbagePercent), fmt.Sprintf("GOMEMLIMIT=%d", r.MemoryBytes),
	}
}

// gaugeIn finds a metric without labels in Prometheus' text format.
func gaugeIn(metrics []byte, name string) (float64, error) {
	for line := range bytes.Lines(metrics) {
		if value, is := strings.CutPrefix(string(line), name+" "); is {
			return strconv.ParseFloat(strings.TrimSpace(value), 64)
		}
	}
	return 0, fmt.Errorf("its metrics do not tell %s", name)
}
