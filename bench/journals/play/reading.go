package play

import (
	"os"
	"runtime"
	"time"

	"github.com/paybuf/paybuf/bench/machine"
)

// reading is what the counters say at one moment.
type reading struct {
	at                      time.Time
	cpu                     time.Duration
	written                 int64
	allocations, allocBytes uint64
	flushes                 int64
	diskKnown               bool
}

func read(disk machine.Disk) (reading, error) {
	var now reading
	var err error
	if now.cpu, err = machine.CPU(os.Getpid()); err != nil {
		return now, err
	}
	var memory runtime.MemStats
	runtime.ReadMemStats(&memory)
	now.allocations, now.allocBytes = memory.Mallocs, memory.TotalAlloc
	now.flushes, now.diskKnown = disk.Flushes()
	now.written, _ = disk.WrittenBytes()
	now.at = time.Now()
	return now, nil
}
