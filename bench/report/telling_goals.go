package report

import (
	"math"
	"time"
)

// What must have been measured to be judged.
const (
	goalLookups    = 10_000
	goalCrowd      = 10_000
	goalCrowdRate  = 900 // outcomes per second: 1,000, less what answering takes
	goalQuiet      = 10 * time.Second
	goalDeliveries = 40_000
	goalEndpoints  = 100
	goalFair       = 20_000 // deliveries
)

// tellingGoals are those of telling clients of outcomes.
var tellingGoals = []goal{
	{"GET of final payments, requests/s", true, 0.5, " × " + ConstantServer, lookupsAgainstConstant},
	{"p99 from the commit to the answer of 10,000 clients that wait, 1,000 outcomes/s", false, 50, " ms", crowdP99},
	{"memory for 10,000 clients that wait", false, 200, " MB", crowdMegabytes},
	{"Postgres statements per client that waits without news, and minute", false, 0.1, "", crowdStatements},
	{"webhook deliveries/s to one endpoint", true, 5000, "", deliveriesPerSecond},
	{"deliveries/s to 99 endpoints of 2 tenants while one hangs", true, 0.95, " × without", fairAmong(FewTenants)},
	{"deliveries/s to 99 endpoints of 10 tenants while one hangs", true, 0.95, " × without", fairAmong(SeveralTenants)},
}

// ofTelling gives a figure of what was measured, if anything was.
func (d *Document) ofTelling(of func(*Telling) Ratio) Ratio {
	if d.Telling == nil {
		return single(math.NaN())
	}
	return of(d.Telling)
}

func lookupsAgainstConstant(d *Document) Ratio {
	return d.ofTelling(func(t *Telling) Ratio { return t.lookupRatio(d.Ours, goalLookups, rate) })
}

// ofCrowd gives a figure of the crowd, if that was as large as the goal says.
func (d *Document) ofCrowd(of func(Waiting) float64) Ratio {
	return d.ofTelling(func(t *Telling) Ratio { return judged(of(t.Waiting), t.Waiting.Clients >= goalCrowd) })
}

func crowdP99(d *Document) Ratio {
	return d.ofCrowd(func(w Waiting) float64 {
		if w.Rate() < goalCrowdRate {
			return math.NaN()
		}
		return w.P99.Seconds() * 1e3
	})
}

func crowdMegabytes(d *Document) Ratio {
	return d.ofCrowd(func(w Waiting) float64 { return float64(w.CrowdBytes()) / 1e6 })
}

func crowdStatements(d *Document) Ratio {
	return d.ofCrowd(func(w Waiting) float64 {
		if w.Quiet < goalQuiet {
			return math.NaN()
		}
		return float64(w.QuietStatements-w.EmptyStatements) / float64(w.Clients) / w.Quiet.Minutes()
	})
}

func deliveriesPerSecond(d *Document) Ratio {
	return d.ofTelling(func(t *Telling) Ratio {
		return judged(t.Delivery.Backlog.Rate(), t.Delivery.Backlog.Payments >= goalDeliveries)
	})
}

// fairAmong is the fairness among a number of tenants, if there were enough endpoints.
func fairAmong(tenants int) func(*Document) Ratio {
	return func(d *Document) Ratio {
		return d.ofTelling(func(t *Telling) Ratio {
			for _, run := range t.Fairness {
				if run.Tenants == tenants && run.Endpoints >= goalEndpoints {
					return t.fairness(tenants, goalFair)
				}
			}
			return single(math.NaN())
		})
	}
}
