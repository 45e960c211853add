//go:build trial && crash

package trial

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"

	"github.com/paybuf/paybuf/internal/fault"
	"github.com/paybuf/paybuf/internal/trial/hook"
	"github.com/paybuf/paybuf/internal/trial/storm"
	"github.com/paybuf/paybuf/processor/payer/simulator"
)

// toll counts what was done to an installation, and what came of it.
type toll struct {
	points                         map[fault.Point]int
	kills                          map[string]int // by role
	postgres, nats, pauses         int
	late                           int // outcomes that came after a pause and changed nothing
	restarts, gaveUp               int // without meaning: to change a point, or for want of a server
	payerFaults                    int64
	payments, requests, duplicates int
	charges, doubles, violations   int
	told                           storm.Told
	heard                          hook.Report
}

func newToll() toll { return toll{points: map[fault.Point]int{}, kills: map[string]int{}} }

func (c *toll) add(report storm.Report, balance storm.Balance, payer simulator.Summary) {
	c.payments += balance.Payments
	c.requests += report.Requests
	c.duplicates += report.Requests - report.Orders
	c.charges += balance.Charges
	c.doubles += balance.Doubles
	c.violations += len(balance.Violations)
	c.payerFaults += payer.Faults
	c.tell(balance.Told)
}

// tell adds what was done in tales.
func (c *toll) tell(t storm.Told) {
	c.told.Orders += t.Orders
	c.told.Retries += t.Retries
	c.told.Granted += t.Granted
	c.told.Refused += t.Refused
	c.told.Unanswered += t.Unanswered
	c.told.Scheduled += t.Scheduled
}

// join adds what another siege has counted.
func (c *toll) join(other toll) {
	for point, n := range other.points {
		c.points[point] += n
	}
	for role, n := range other.kills {
		c.kills[role] += n
	}
	c.postgres += other.postgres
	c.nats += other.nats
	c.pauses += other.pauses
	c.late += other.late
	c.payerFaults += other.payerFaults
	c.payments += other.payments
	c.requests += other.requests
	c.duplicates += other.duplicates
	c.charges += other.charges
	c.doubles += other.doubles
	c.violations += other.violations
	c.tell(other.told)
	c.hear(other.heard)
}

// hear adds what was delivered.
func (c *toll) hear(r hook.Report) {
	c.heard.Deliveries += r.Deliveries
	c.heard.Events += r.Events
	c.heard.Repeats += r.Repeats
	c.heard.Refused += r.Refused
	c.heard.Forged += r.Forged
}

// faults counts all that was done on purpose.
func (c *toll) faults() int {
	n := c.postgres + c.nats + c.pauses + int(c.payerFaults)
	for _, kills := range c.points {
		n += kills
	}
	for _, kills := range c.kills {
		n += kills
	}
	return n
}

// lines are what a run prints at its end.
func (c *toll) lines() string {
	var out strings.Builder
	atPoints, random := 0, 0
	for _, point := range fault.Points() {
		fmt.Fprintf(&out, "kills at %-23s %6d\n", point, c.points[point])
		atPoints += c.points[point]
	}
	for _, role := range slices.Sorted(maps.Keys(c.kills)) {
		fmt.Fprintf(&out, "random kills of %-16s %6d\n", role, c.kills[role])
		random += c.kills[role]
	}
	for _, line := range []struct {
		what string
		n    int
	}{
		{"kills at points", atPoints}, {"random kills", random}, {"Postgres restarts", c.postgres},
		{"NATS restarts", c.nats}, {"pauses beyond a lease", c.pauses}, {"outcomes that the fence kept out", c.late}, {"payer faults", int(c.payerFaults)},
		{"faults in all", c.faults()}, {"payments", c.payments}, {"requests", c.requests}, {"duplicates", c.duplicates},
		{"payments that try another again", c.told.Retries}, {"payments canceled", c.told.Granted},
		{"cancellations refused", c.told.Refused}, {"cancellations not answered", c.told.Unanswered}, {"payments for later", c.told.Scheduled},
		{"webhooks delivered and verified", c.heard.Deliveries}, {"that were delivered again", c.heard.Repeats},
		{"that were not answered 2xx", c.heard.Refused}, {"forged webhooks that were refused", c.heard.Forged},
		{"charges", c.charges}, {"doubles", c.doubles}, {"violations", c.violations},
	} {
		fmt.Fprintf(&out, "%-32s %6d\n", line.what, line.n)
	}
	if c.violations == 0 {
		fmt.Fprintf(&out, "95 %% upper bound: a violation in %.5f of the faults, in %.5f of the payments (3/N)\n",
			3/float64(max(1, c.faults())), 3/float64(max(1, c.payments)))
	}
	return out.String()
}

// payerCounts asks the payer what it has done.
func (s *siege) payerCounts() simulator.Summary {
	s.t.Helper()
	response, err := http.Get(s.in.payer + "/ledger")
	if err != nil {
		s.t.Fatal(err)
	}
	defer response.Body.Close()
	var sum simulator.Summary
	if err := json.UnmarshalRead(response.Body, &sum); err != nil {
		s.t.Fatal(err)
	}
	return sum
}
