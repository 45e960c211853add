package app

import (
	"io"
	"log"
	"os"
	"runtime"
	"runtime/debug"
	runtimemetrics "runtime/metrics"
	"sync"
	"time"
)

const (
	// threadsBesideCores run Go while others wait for the disk. Intake waits for it
	// a thousand times a second, and the runtime takes up to 20 µs each time to
	// notice that a core has become free. Measured in ADR 0017.
	threadsBesideCores = 1

	// garbagePercent lets garbage grow to three times of what is in use: as long as
	// that is little, to collect it often costs more than the memory is worth.
	garbagePercent = 300
	// memoryBytes is from where on garbage is collected as often as it takes to stay
	// below. A million payments on the embedded stream fit.
	memoryBytes = 480 << 20
	// spareFactor of what is in use is let have, however much that is: a limit below
	// would have the collector run all the time.
	spareFactor  = 1.15
	memoryPeriod = 2 * time.Second
)

// TuneProcess sets the Go runtime up for a process that does nothing but serve,
// until the function that it gives is called. What GOMAXPROCS, GOGC or GOMEMLIMIT
// in the environment say is left alone.
func TuneProcess() (stop func()) {
	muteGlobalLog()
	if os.Getenv("GOMAXPROCS") == "" {
		runtime.GOMAXPROCS(runtime.GOMAXPROCS(0) + threadsBesideCores)
	}
	if os.Getenv("GOGC") != "" || os.Getenv("GOMEMLIMIT") != "" {
		return func() {}
	}
	debug.SetGCPercent(garbagePercent)
	debug.SetMemoryLimit(memoryBytes)
	done := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() { adaptMemoryLimit(done) })
	return sync.OnceFunc(func() { close(done); wg.Wait() })
}

// muteGlobalLog throws away what is written to the global logger. Nothing of ours is;
// but net/http's client puts there what a server says unasked, up to 4 KiB of the words
// of anybody whose endpoint is sent to.
func muteGlobalLog() { log.SetOutput(io.Discard) }

// adaptMemoryLimit raises the limit with what is in use, and lowers it again.
func adaptMemoryLimit(done <-chan struct{}) {
	ticker := time.NewTicker(memoryPeriod)
	defer ticker.Stop()
	for {
		select {
		case <-done:
			return
		case <-ticker.C:
			debug.SetMemoryLimit(memoryLimit(bytesInUse()))
		}
	}
}

func memoryLimit(bytesInUse uint64) int64 {
	return max(memoryBytes, int64(spareFactor*float64(bytesInUse)))
}

// bytesInUse is what the last collection found in use, and what the runtime needs
// besides.
func bytesInUse() uint64 {
	samples := []runtimemetrics.Sample{
		{Name: "/gc/heap/live:bytes"},
		{Name: "/memory/classes/heap/stacks:bytes"},
		{Name: "/memory/classes/metadata/mspan/inuse:bytes"},
		{Name: "/memory/classes/metadata/other:bytes"},
	}
	runtimemetrics.Read(samples)
	sum := uint64(0)
	for _, sample := range samples {
		if sample.Value.Kind() == runtimemetrics.KindUint64 { // a later Go may not know a name
			sum += sample.Value.Uint64()
		}
	}
	return sum
}
