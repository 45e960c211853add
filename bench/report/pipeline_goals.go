package report

import (
	"math"
	"time"
)

// What a pipeline must have done to be judged.
const (
	goalRiver     = "river"
	goalSustained = time.Minute
	goalDrained   = 200_000
)

const ofRiver = " × " + goalRiver

// pipelineGoals are those of the way from the request to the outcome.
var pipelineGoals = []goal{
	{"outcomes/s, sustained for a minute while payments come in", true, 4, ofRiver, sustainedAgainstRiver},
	{"outcomes/s, working off 200,000 that wait", true, 1.5, ofRiver, drainedAgainstRiver},
	{"p99 from the 202 to the outcome, at half of that load", false, 250, " ms", pacedP99},
	{"Postgres statements per payment", false, 0.1, "", sustainedStatements},
}

func sustainedAgainstRiver(d *Document) Ratio {
	ours, theirs := d.pipeline(d.Ours).Sustained, d.pipeline(goalRiver).Sustained
	return judged(ours.Rate()/theirs.Rate(), sustainedLongEnough(ours) && sustainedLongEnough(theirs))
}

func drainedAgainstRiver(d *Document) Ratio {
	ours, theirs := d.pipeline(d.Ours).Drained, d.pipeline(goalRiver).Drained
	return judged(ours.Rate()/theirs.Rate(), min(ours.Payments, theirs.Payments) >= goalDrained)
}

func pacedP99(d *Document) Ratio {
	ours := d.pipeline(d.Ours)
	return judged(ours.Paced.P99.Seconds()*1e3, sustainedLongEnough(ours.Sustained) && ours.Paced.Payments > 0)
}

func sustainedStatements(d *Document) Ratio {
	ours := d.pipeline(d.Ours).Sustained
	return judged(ours.Statements, sustainedLongEnough(ours))
}

func sustainedLongEnough(flow Flow) bool { return flow.Payments > 0 && flow.Took >= goalSustained }

// judged gives a figure that counts, or none.
func judged(value float64, counts bool) Ratio {
	if !counts {
		value = math.NaN()
	}
	return single(value)
}
