package report

import "time"

// Backlog is what it costs to keep payments that nobody takes out.
type Backlog struct {
	Payments   int
	FillRate   float64       // payments per second, in batches
	EmptyReady time.Duration // how long the first start took, on an empty directory

	PeakBytes int64         // the most resident memory of the process until it was full
	Rest      time.Duration // that passed until
	RestBytes int64         // was resident

	AfterKill Restart // by kill -9
	AfterStop Restart // by SIGTERM
}

// Restart is a start with the whole backlog.
type Restart struct {
	Ready     time.Duration // from its exec until it was ready
	PeakBytes int64         // resident until it had counted the backlog
}

// mostBytes is the most memory that was resident at any of these moments.
func (b *Backlog) mostBytes() int64 {
	return max(b.PeakBytes, b.RestBytes, b.AfterKill.PeakBytes, b.AfterStop.PeakBytes)
}
