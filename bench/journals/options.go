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
	warmUpShare = 5
)

// scale is how much is stored.
type scale struct {
	callers       []int
	keptRecords   int   // in stores that are opened and halved
	segmentBytes  int64 // when appending and opening
	halvedBytes   int64 // of a segment, when the old half is removed
	harmedRecords int
	harmedBytes   int64 // of a segment that is damaged
	harms         int   // tries of each sort
}

var full = scale{
	callers: []int{1, 16, 64, 256}, keptRecords: 200_000, segmentBytes: 64 << 20, halvedBytes: 8 << 20,
	harmedRecords: 10_000, harmedBytes: 1 << 20, harms: 20,
}

// options are what the command line says.
type options struct {
	scale
	rounds int
	window time.Duration // measured in each run
	out    string        // directory of the document; "" prints it
	source string        // of Paybuf
	dir    string        // parent of the temporary directory
}

func parseOptions(args []string, output io.Writer) (options, error) {
	o := options{scale: full}
	var quick bool
	flags := flag.NewFlagSet("journals", flag.ContinueOnError)
	flags.SetOutput(output)
	flags.DurationVar(&o.window, "window", time.Second, "length of each run")
	flags.IntVar(&o.rounds, "rounds", 3, "how often each run is repeated")
	flags.BoolVar(&quick, "quick", false, "one short round: to see whether it works")
	flags.StringVar(&o.out, "out", "", "directory for journals.md (default: print it)")
	flags.StringVar(&o.source, "source", "..", "directory of Paybuf's sources")
	flags.StringVar(&o.dir, "dir", "", "where the stores are, on the disk to be measured (default: the temporary directory)")
	if err := flags.Parse(args); err != nil {
		return options{}, err
	}
	if quick {
		o.window, o.rounds, o.harms = 300*time.Millisecond, 1, 5
	}
	switch {
	case flags.NArg() > 0:
		return options{}, fmt.Errorf("%q: no arguments are taken, only flags", flags.Arg(0))
	case o.window < 100*time.Millisecond || o.window > secondsMax*time.Second:
		return options{}, fmt.Errorf("-window must be 100ms to %ds", secondsMax)
	case o.rounds < 1 || o.rounds > roundsMax:
		return options{}, fmt.Errorf("-rounds must be 1 to %d", roundsMax)
	}
	return o, nil
}

func (o options) warmUp() time.Duration { return o.window / warmUpShare }
