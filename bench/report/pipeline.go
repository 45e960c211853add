package report

import "time"

// How pipelines are measured, whatever they are.
const (
	// InFlightMax is how many payments may be under way while it is measured how many
	// come to their end: enough for nobody to wait for the next.
	InFlightMax = 2000
	// PipelineConnections are those of the load generator.
	PipelineConnections = 64
	// PacedShare of its sustained rate is what a pipeline is given when it is measured
	// how long payments take.
	PacedShare = 0.5
)

// Pipeline is what one server did that brings payments to their end.
type Pipeline struct {
	Server    string
	Sustained Flow  // while payments come in
	Drained   Flow  // of a backlog, when none come in
	Paced     Delay // of payments that come at PacedShare of the sustained rate
}

// Flow is how fast payments came to their end, and what that cost.
type Flow struct {
	Payments int64         // that came to their end
	Took     time.Duration // in which they did
	// Statements that its Postgres executed, per payment.
	Statements float64

	// Processor time per payment.
	ServerCPU    time.Duration
	PostgresCPU  time.Duration
	PayerCPU     time.Duration
	GeneratorCPU time.Duration

	OtherShare float64 // of all cores' time, used by none of those four
}

// Rate is payments per second; NaN if none were measured.
func (f Flow) Rate() float64 { return float64(f.Payments) / f.Took.Seconds() }

// cpu is processor time per payment of what a team would run: the payer and the load
// generator are somebody else's.
func (f Flow) cpu() float64 { return (f.ServerCPU + f.PostgresCPU).Seconds() }

// Delay is how long payments took from the client's 202 to the commit of their end.
type Delay struct {
	PerSecond float64 // payments that came
	Payments  int64
	P50, P99  time.Duration
	LateMax   time.Duration // by which a request was sent after its time
}

// pipeline finds that of a server; a zero one if it was not measured.
func (d *Document) pipeline(server string) Pipeline {
	for _, p := range d.Pipelines {
		if p.Server == server {
			return p
		}
	}
	return Pipeline{}
}
