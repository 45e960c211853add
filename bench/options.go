package main

import (
	"flag"
	"fmt"
	"io"
	"time"
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
)

// options are what the command line says.
type options struct {
	rounds int
	window time.Duration // measured in each run

	backlog int           // payments that are kept to see what they cost
	rest    time.Duration // before they are weighed

	out    string // directory of the documents; "" prints the text
	source string // of Paybuf
	dir    string // parent of the temporary directory
}

func parseOptions(args []string, output io.Writer) (options, error) {
	o := options{backlog: backlogPayments, rest: backlogRest}
	var seconds int
	var quick bool
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.SetOutput(output)
	flags.IntVar(&seconds, "seconds", 5, "length of each run")
	flags.IntVar(&o.rounds, "rounds", 3, "how often each run is repeated")
	flags.BoolVar(&quick, "quick", false, "one round of one second and a small backlog: to see whether it works")
	flags.StringVar(&o.out, "out", "", "directory for benchmarks.md and benchmarks.svg (default: print the document)")
	flags.StringVar(&o.source, "source", "..", "directory of Paybuf's sources")
	flags.StringVar(&o.dir, "dir", "", "where the servers store, on the disk to be measured (default: the temporary directory)")
	if err := flags.Parse(args); err != nil {
		return options{}, err
	}
	if quick {
		seconds, o.rounds = 1, 1
		o.backlog, o.rest = backlogPaymentsQuick, backlogRestQuick
	}
	switch {
	case flags.NArg() > 0:
		return options{}, fmt.Errorf("%q: no arguments are taken, only flags", flags.Arg(0))
	case seconds < 1 || seconds > secondsMax:
		return options{}, fmt.Errorf("-seconds must be 1 to %d", secondsMax)
	case o.rounds < 1 || o.rounds > roundsMax:
		return options{}, fmt.Errorf("-rounds must be 1 to %d", roundsMax)
	}
	o.window = time.Duration(seconds) * time.Second
	return o, nil
}

func (o options) warmUp() time.Duration { return o.window / warmUpShare }

// limit is the longest that all runs together may take.
func (o options) limit() time.Duration {
	each := o.warmUp() + o.window + overheadMax
	perRound := time.Duration(runsPerRound())*each + time.Duration(len(plays))*startMax
	return time.Duration(o.rounds)*perRound + o.rest + backlogMax
}
