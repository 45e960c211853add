package report

import "time"

// Sample is what one run of one server gave.
type Sample struct {
	Case   Case
	Server string
	Round  int

	Rate    float64       // payments answered per second
	P50     time.Duration // of the time from sending a request, or a whole batch, to its whole answer
	P99     time.Duration
	Answers int64 // one per payment
	// Misjudged are answers that call a new order repeated, or a repeated one new.
	Misjudged int64

	// Processor time per payment.
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
