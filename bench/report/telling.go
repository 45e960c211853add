package report

import (
	"math"
	"slices"
	"time"
)

// ConstantServer is what GET is compared with.
const ConstantServer = "constant"

// LookupConnections are those of the load generator that asks for payments.
const LookupConnections = 64

// Among so many tenants the endpoints are spread evenly of which one hangs: as few as may
// have 100, since one tenant may have 50, and several.
const (
	FewTenants     = 2
	SeveralTenants = 10
)

// Telling is what it takes to tell clients of outcomes.
type Telling struct {
	Lookups  []Lookup // in the order in which they were made
	Waiting  Waiting
	Delivery Delivery
	Fairness []Fairness // likewise
}

// Lookup is a run in which final payments were asked for.
type Lookup struct {
	Payments int // different ones
	Sample       // an answer is a payment
}

// Waiting is what a crowd of clients saw that wait for outcomes, and what it cost.
type Waiting struct {
	Clients int           // each on a connection of its own
	Ahead   time.Duration // by which payments were sent before they were due
	Window  time.Duration // in which outcomes counted

	Outcomes      int64         // that clients were told in the window
	P50, P99, Max time.Duration // from the commit to the client's receipt
	WaitingMean   float64       // clients, at the same moment
	WaitingMin    float64
	Renewed       int64 // waits that ended without an outcome

	// Resident memory of the process that they wait at.
	EmptyBytes int64 // with nobody
	QuietBytes int64 // with all, when nothing has happened for a while
	MostBytes  int64 // ever, of one that tells them outcomes

	Quiet time.Duration // for which nothing happened
	// Statements in Postgres meanwhile, with nobody and with all.
	EmptyStatements, QuietStatements int64
	QuietCPU                         time.Duration // of the process meanwhile, with all

	// Processor time per outcome.
	ServerCPU    time.Duration // of the process that they wait at
	OthersCPU    time.Duration // of the one that takes payments in and pays
	PostgresCPU  time.Duration
	GeneratorCPU time.Duration
	OtherShare   float64 // of all cores' time, used by none of those and not by payer and NATS either
}

// Rate is outcomes told per second.
func (w Waiting) Rate() float64 { return float64(w.Outcomes) / w.Window.Seconds() }

// CrowdBytes is what the crowd costs at most.
func (w Waiting) CrowdBytes() int64 { return max(w.QuietBytes, w.MostBytes) - w.EmptyBytes }

// Delivery is how webhooks get to one endpoint that answers at once.
type Delivery struct {
	Backlog Flow  // of deliveries that wait; the consumer is in the payer's place
	Repeats int64 // deliveries of what had been delivered
	Fresh   Delay // from an event's commit to its receipt, of payments that come at a steady rate
}

// Fairness is a run in which many endpoints were delivered to.
type Fairness struct {
	Tenants, Endpoints int // in all
	Round              int
	Hangs              bool  // whether one of them never answers
	Deliveries         int64 // to all the others
	Took               time.Duration
	Hung               int64 // requests that were not answered
}

// Rate is deliveries per second to those that answer.
func (f Fairness) Rate() float64 { return float64(f.Deliveries) / f.Took.Seconds() }

// lookups are the runs of a server in which so many different payments were asked for.
func (t *Telling) lookups(server string, payments int) samples {
	var found samples
	for _, run := range t.Lookups {
		if run.Server == server && run.Payments == payments {
			found = append(found, run.Sample)
		}
	}
	return found
}

// lookupKinds are the numbers of different payments, the most first.
func (t *Telling) lookupKinds() []int {
	var kinds []int
	for _, run := range t.Lookups {
		if !slices.Contains(kinds, run.Payments) {
			kinds = append(kinds, run.Payments)
		}
	}
	slices.Sort(kinds)
	slices.Reverse(kinds)
	return kinds
}

// tenantKinds are the numbers of tenants, the fewest first.
func (t *Telling) tenantKinds() []int {
	var kinds []int
	for _, run := range t.Fairness {
		if !slices.Contains(kinds, run.Tenants) {
			kinds = append(kinds, run.Tenants)
		}
	}
	slices.Sort(kinds)
	return kinds
}

// fairness holds the rates with an endpoint that hangs against those without, round by
// round. There is none of runs with fewer deliveries than deliveriesMin.
func (t *Telling) fairness(tenants int, deliveriesMin int64) Ratio {
	hanging, healthy := map[int]float64{}, map[int]float64{}
	for _, run := range t.Fairness {
		switch {
		case run.Tenants != tenants || run.Deliveries < max(1, deliveriesMin):
		case run.Hangs:
			hanging[run.Round] = run.Rate()
		default:
			healthy[run.Round] = run.Rate()
		}
	}
	return ratioOf(hanging, healthy)
}

// fairnessRates are the medians of the rates, in one of both ways.
func (t *Telling) fairnessRate(tenants int, hangs bool) float64 {
	var rates []float64
	for _, run := range t.Fairness {
		if run.Tenants == tenants && run.Hangs == hangs {
			rates = append(rates, run.Rate())
		}
	}
	return median(rates)
}

// lookupRatio holds ours against the constant answer, round by round. Which payments are
// asked for is nothing to that.
func (t *Telling) lookupRatio(ours string, payments int, of metric) Ratio {
	kinds := t.lookupKinds()
	if len(kinds) == 0 {
		return single(math.NaN())
	}
	return t.lookups(ours, payments).over(t.lookups(ConstantServer, kinds[0]), of)
}
