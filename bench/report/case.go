package report

import "fmt"

// Case is a situation that servers are measured in.
type Case struct {
	Connections   int
	RepeatPercent int  // of the requests repeat an order
	Batch         int  // payments per request; 0 sends them one by one
	Keyed         bool // each request has an Idempotency-Key
}

// The cases that are measured, and compared with each other.
var (
	Few        = Case{Connections: 16}
	Some       = Case{Connections: 64}
	Many       = Case{Connections: 256}
	Repeats20  = Case{Connections: 64, RepeatPercent: 20}
	Repeats80  = Case{Connections: 64, RepeatPercent: 80}
	Repeats100 = Case{Connections: 64, RepeatPercent: 100}
	Keyed      = Case{Connections: 64, Keyed: true}
	Batches    = Case{Connections: 16, Batch: 100}
)

// String names the case in a heading.
func (c Case) String() string {
	name := fmt.Sprintf("%d connections", c.Connections)
	if c.RepeatPercent > 0 {
		name += fmt.Sprintf(", %d %% repeated orders", c.RepeatPercent)
	}
	if c.Keyed {
		name += ", with Idempotency-Key"
	}
	if c.Batch > 1 {
		name += fmt.Sprintf(", batches of %d", c.Batch)
	}
	return name
}

// isPlain says that there is nothing but connections: new orders, one by one.
func (c Case) isPlain() bool { return c == Case{Connections: c.Connections} }
