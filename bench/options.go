package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/paybuf/paybuf/bench/report"
)

const (
	secondsMax = 60
	roundsMax  = 9
	// warmUpShare of a run's length passes before its window opens.
	warmUpShare = 10
	// overheadMax is what a run may take besides, mostly for the disk to settle.
	overheadMax = time.Second
	// startMax is what stopping all servers and starting them anew may take.
	startMax = 7 * time.Second

	backlogPayments      = 1_000_000
	backlogPaymentsQuick = 20_000
	backlogRest          = 10 * time.Second
	backlogRestQuick     = time.Second
	// backlogMax is what the runs with a backlog may take besides the rest.
	backlogMax = 2 * time.Minute

	sustainedSeconds      = 60
	sustainedSecondsQuick = 2
	sustainedSecondsMax   = 600
	drainedPayments       = 200_000
	drainedPaymentsQuick  = 4_000
	drainedPaymentsMin    = 1_000
	drainedPaymentsMax    = 1_000_000
	// pacedShare of the time for which pipelines are to sustain their rate is enough
	// to see how long payments take.
	pacedShare = 2
	// drainedPerSecondMin is the slowest that a pipeline may drain its backlog.
	drainedPerSecondMin = 1000
	// stageMax is what making and removing a stage may take, with its servers.
	stageMax = 30 * time.Second
)

// part is one of those that can be measured alone.
type part string

const (
	all      part = ""
	intake   part = "intake"
	endToEnd part = "e2e"
	telling  part = "tell"
)

// options are what the command line says.
type options struct {
	rounds int
	window time.Duration // measured in each run

	backlog int           // payments that are kept to see what they cost
	rest    time.Duration // before they are weighed

	only      part
	sustained time.Duration // measured of a pipeline while payments come in
	drained   int           // payments in the backlog of a pipeline
	tell      tellSizes

	out    string // directory of the documents; "" prints the text
	source string // of Paybuf
	dir    string // parent of the temporary directory
}

func parseOptions(args []string, output io.Writer) (options, error) {
	o := options{backlog: backlogPayments, rest: backlogRest, tell: tellFull}
	var seconds, sustained int
	var quick bool
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.SetOutput(output)
	flags.IntVar(&seconds, "seconds", 5, "length of each run")
	flags.IntVar(&o.rounds, "rounds", 3, "how often each run is repeated")
	flags.IntVar(&sustained, "sustained", sustainedSeconds, "seconds for which pipelines are to sustain their rate")
	flags.IntVar(&o.drained, "drained", drainedPayments, "payments of the backlog that pipelines work off")
	flags.BoolVar(&quick, "quick", false, "short runs and small backlogs: to see whether it works")
	flags.StringVar((*string)(&o.only), "only", "", `"intake", "e2e" or "tell" measures that alone and prints the document`)
	flags.StringVar(&o.out, "out", "", "directory for benchmarks.md and benchmarks.svg (default: print the document)")
	flags.StringVar(&o.source, "source", "..", "directory of Paybuf's sources")
	flags.StringVar(&o.dir, "dir", "", "where the servers store, on the disk to be measured (default: the temporary directory)")
	if err := flags.Parse(args); err != nil {
		return options{}, err
	}
	if quick {
		seconds, o.rounds = 1, 1
		o.backlog, o.rest = backlogPaymentsQuick, backlogRestQuick
		sustained, o.drained = sustainedSecondsQuick, drainedPaymentsQuick
		o.tell = tellQuick
	}
	if flags.NArg() > 0 {
		return options{}, fmt.Errorf("%q: no arguments are taken, only flags", flags.Arg(0))
	}
	o.window, o.sustained = time.Duration(seconds)*time.Second, time.Duration(sustained)*time.Second
	return o, o.check()
}

// check finds options that cannot be followed.
func (o options) check() error {
	switch {
	case o.window < time.Second || o.window > secondsMax*time.Second:
		return fmt.Errorf("-seconds must be 1 to %d", secondsMax)
	case o.rounds < 1 || o.rounds > roundsMax:
		return fmt.Errorf("-rounds must be 1 to %d", roundsMax)
	case o.sustained < time.Second || o.sustained > sustainedSecondsMax*time.Second:
		return fmt.Errorf("-sustained must be 1 to %d", sustainedSecondsMax)
	case o.drained < drainedPaymentsMin || o.drained > drainedPaymentsMax || o.drained%report.Batches.Batch != 0:
		return fmt.Errorf("-drained must be %d to %d, in whole hundreds", drainedPaymentsMin, drainedPaymentsMax)
	case !slices.Contains([]part{all, intake, endToEnd, telling}, o.only):
		return fmt.Errorf("-only %s: the parts are intake, e2e and tell", o.only)
	case o.only != all && o.out != "":
		return errors.New("-only measures a part and -out writes the whole: give one of them")
	}
	return nil
}

// measures tells whether a part is wanted.
func (o options) measures(p part) bool { return o.only == all || o.only == p }

func (o options) warmUp() time.Duration         { return o.window / warmUpShare }
func (o options) pipelineWarmUp() time.Duration { return o.sustained / warmUpShare }
func (o options) paced() time.Duration          { return o.sustained / pacedShare }

// drainMax is the longest that a pipeline may take to work its backlog off.
func (o options) drainMax() time.Duration {
	return stageMax + time.Duration(o.drained)*time.Second/drainedPerSecondMin
}

// pipelinesLimit is the longest that all pipelines together may take.
func (o options) pipelinesLimit() time.Duration {
	each := o.sustained + o.paced() + 2*o.pipelineWarmUp() + 2*finishMax + fillMax + o.drainMax() + 3*stageMax
	return time.Duration(len(pipelines)) * each
}

// limit is the longest that all runs of intake together may take.
func (o options) limit() time.Duration {
	each := o.warmUp() + o.window + overheadMax
	perRound := time.Duration(runsPerRound())*each + time.Duration(len(plays))*startMax
	return time.Duration(o.rounds)*perRound + o.rest + backlogMax
}
