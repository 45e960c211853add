package report

import (
	"fmt"
	"time"
)

// Case is a situation that servers are measured in.
type Case struct {
	Connections   int
	RepeatPercent int // of the requests repeat an order
}

// String names the case in a heading.
func (c Case) String() string {
	if c.RepeatPercent == 0 {
		return fmt.Sprintf("%d connections", c.Connections)
	}
	return fmt.Sprintf("%d connections, %d %% repeated orders", c.Connections, c.RepeatPercent)
}

// Sample is what one run of one server gave.
type Sample struct {
	Case   Case
	Server string
	Round  int

	Rate    float64       // answers per second
	P50     time.Duration // of the time from sending a request to its whole answer
	P99     time.Duration
	Answers int64
	// Misjudged are answers that call a new order repeated, or a repeated one new.
	Misjudged int64

	// Processor time per request.
	ServerCPU    time.Duration
	PostgresCPU  time.Duration
	GeneratorCPU time.Duration

	OtherShare    float64 // of all cores' time, used by none of those three
	ResidentBytes int64   // of the server, at the end of the run
	FlushRate     float64 // flushes of the disk per second; 0 if not known
}

// metric picks one number out of a sample.
type metric func(Sample) float64

func rate(s Sample) float64          { return s.Rate }
func p50(s Sample) float64           { return s.P50.Seconds() }
func p99(s Sample) float64           { return s.P99.Seconds() }
func serverCPU(s Sample) float64     { return s.ServerCPU.Seconds() }
func postgresCPU(s Sample) float64   { return s.PostgresCPU.Seconds() }
func generatorCPU(s Sample) float64  { return s.GeneratorCPU.Seconds() }
func bothCPU(s Sample) float64       { return (s.ServerCPU + s.PostgresCPU).Seconds() }
func otherShare(s Sample) float64    { return s.OtherShare }
func residentBytes(s Sample) float64 { return float64(s.ResidentBytes) }
func flushRate(s Sample) float64     { return s.FlushRate }
