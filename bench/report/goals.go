package report

import (
	"fmt"
	"math"
	"slices"
	"time"
)

// The peers that goals are about.
const (
	goalInsert = "insert"
	goalBare   = "bare"
)

// goalBacklog is how many payments wait when memory and restart are judged.
const goalBacklog = 1_000_000

// goal is what was aimed at before anything was measured.
type goal struct {
	what   string
	least  bool // the figure is to reach the bound, or else to stay within it
	bound  float64
	unit   string // what the figure is a multiple of
	figure func(*Document) Ratio
}

const (
	ofInsert = " × " + goalInsert
	ofBare   = " × " + goalBare
)

// goals are all of them. Memory is in millions of bytes.
var goals = []goal{
	{"requests/s, 16 connections", true, 3, ofInsert, against(goalInsert, Few, rate)},
	{"requests/s, 64 connections", true, 3, ofInsert, against(goalInsert, Some, rate)},
	{"requests/s, 256 connections", true, 3, ofInsert, against(goalInsert, Many, rate)},
	{"requests/s, 256 connections", true, 0.5, ofBare, against(goalBare, Many, rate)},
	{"p99, 64 connections", false, 0.5, ofInsert, against(goalInsert, Some, p99)},
	{"payments/s in batches of 100", true, 3, " × the best rate one by one", batchesAgainstBest},
	{"requests/s with 20 % repeated orders", true, 0.9, " × without", againstItself(Repeats20, Some)},
	{"requests/s with Idempotency-Key", true, 0.6, " × without", againstItself(Keyed, Some)},
	{"memory with a backlog of 1,000,000", false, 600, " MB", backlogMegabytes},
	{"restart with that backlog, after kill -9", false, 5, " s", backlogRestart},
}

func against(peer string, c Case, of metric) func(*Document) Ratio {
	return func(d *Document) Ratio {
		all := samples(d.Samples)
		return all.of(d.Ours, c).over(all.of(peer, c), of)
	}
}

func againstItself(c, than Case) func(*Document) Ratio {
	return func(d *Document) Ratio {
		all := samples(d.Samples)
		return all.of(d.Ours, c).over(all.of(d.Ours, than), rate)
	}
}

func batchesAgainstBest(d *Document) Ratio {
	all := samples(d.Samples)
	return all.of(d.Ours, Batches).over(all.best(d.Ours), rate)
}

func backlogMegabytes(d *Document) Ratio {
	return d.ofBacklog(func(b *Backlog) float64 { return float64(b.mostBytes()) / 1e6 })
}

func backlogRestart(d *Document) Ratio {
	return d.ofBacklog(func(b *Backlog) float64 { return b.AfterKill.Ready.Round(time.Millisecond).Seconds() })
}

// ofBacklog gives a figure of the backlog, if that was as large as the goal says.
func (d *Document) ofBacklog(of func(*Backlog) float64) Ratio {
	value := math.NaN()
	if d.Backlog != nil && d.Backlog.Payments >= goalBacklog {
		value = of(d.Backlog)
	}
	return Ratio{Median: value, Lowest: value, Highest: value}
}

// Goal is a row of the table of goals.
type Goal struct {
	What, Aim, Measured, Reached string
}

// Goals holds what was measured against what was aimed at. The median decides.
func (d *Document) Goals() []Goal {
	var rows []Goal
	for _, g := range slices.Concat(goals, pipelineGoals, tellingGoals) {
		figure := g.figure(d)
		rows = append(rows, Goal{What: g.what, Aim: g.aim(), Measured: figure.String(), Reached: g.reached(figure.Median)})
	}
	return rows
}

func (g goal) aim() string {
	if g.least {
		return fmt.Sprintf("at least %g%s", g.bound, g.unit)
	}
	return fmt.Sprintf("at most %g%s", g.bound, g.unit)
}

func (g goal) reached(figure float64) string {
	switch {
	case math.IsNaN(figure):
		return "not measured"
	case g.least == (figure > g.bound) || figure == g.bound:
		return "yes"
	}
	return "no"
}
