package app

import (
	"math"
	"runtime"
	"runtime/debug"
	"testing"
)

// settings gives what TuneProcess changes, and puts it back after the test.
func settings(t *testing.T) (threads int, percent int, limit int64) {
	t.Helper()
	threads, limit = runtime.GOMAXPROCS(0), debug.SetMemoryLimit(-1)
	percent = debug.SetGCPercent(100)
	debug.SetGCPercent(percent)
	t.Cleanup(func() {
		runtime.GOMAXPROCS(threads)
		debug.SetGCPercent(percent)
		debug.SetMemoryLimit(limit)
	})
	return threads, percent, limit
}

func gcPercent() int {
	percent := debug.SetGCPercent(100)
	debug.SetGCPercent(percent)
	return percent
}

func TestTuneProcess_setsTheRuntimeUp(t *testing.T) {
	t.Setenv("GOMAXPROCS", "")
	t.Setenv("GOGC", "")
	t.Setenv("GOMEMLIMIT", "")
	threads, _, _ := settings(t)
	TuneProcess()()
	if got := runtime.GOMAXPROCS(0); got != threads+threadsBesideCores {
		t.Errorf("%d threads for %d cores", got, threads)
	}
	if got := gcPercent(); got != garbagePercent {
		t.Errorf("garbage may be %d %%", got)
	}
	if got := debug.SetMemoryLimit(-1); got != memoryBytes {
		t.Errorf("the limit is %d bytes", got)
	}
}

func TestTuneProcess_leavesAloneWhatTheEnvironmentSets(t *testing.T) {
	for _, name := range []string{"GOGC", "GOMEMLIMIT"} {
		t.Run(name, func(t *testing.T) {
			threads, percent, limit := settings(t)
			t.Setenv("GOMAXPROCS", "1")
			t.Setenv(name, "off")
			TuneProcess()()
			if runtime.GOMAXPROCS(0) != threads || gcPercent() != percent || debug.SetMemoryLimit(-1) != limit {
				t.Errorf("changed to %d threads, %d %%, %d bytes", runtime.GOMAXPROCS(0), gcPercent(), debug.SetMemoryLimit(-1))
			}
		})
	}
}

func TestMemoryLimit_isNeverBelowWhatIsInUse(t *testing.T) {
	for inUse, want := range map[uint64]int64{
		0:                 memoryBytes,
		memoryBytes / 2:   memoryBytes,
		memoryBytes:       memoryBytes / 100 * 115,
		100 << 30:         115 << 30,
		math.MaxInt64 / 2: math.MaxInt64 / 200 * 115,
	} {
		got := memoryLimit(inUse)
		if delta := float64(got-want) / float64(want); math.Abs(delta) > 1e-6 {
			t.Errorf("%d bytes in use: the limit is %d, want %d", inUse, got, want)
		}
	}
}

func TestBytesInUse_knowsTheRuntimesNames(t *testing.T) {
	keep := make([]byte, 64<<20)
	runtime.GC()
	if got := bytesInUse(); got < 64<<20 {
		t.Errorf("%d bytes, and one slice has 64 MiB", got)
	}
	runtime.KeepAlive(keep)
}
