package main

import (
	"context"
	"fmt"
	"io"
	"syscall"

	"github.com/paybuf/paybuf/bench/load"
	"github.com/paybuf/paybuf/bench/machine"
	"github.com/paybuf/paybuf/bench/report"
	"github.com/paybuf/paybuf/bench/subject"
)

// play is a case with who plays it.
type play struct {
	report.Case
	oursOnly bool
}

var plays = []play{
	{Case: report.Few},
	{Case: report.Some},
	{Case: report.Many},
	{Case: report.Repeats20},
	{Case: report.Repeats80, oursOnly: true},
	{Case: report.Repeats100, oursOnly: true},
	{Case: report.Keyed, oursOnly: true},
	{Case: report.Batches, oursOnly: true},
}

// runsPerRound is how many runs play all cases once.
func runsPerRound() int {
	runs := 0
	for _, p := range plays {
		if p.oursOnly {
			runs++
		} else {
			runs += len(names)
		}
	}
	return runs
}

// bench plays all rounds.
type bench struct {
	opts     options
	field    *field
	disk     machine.Disk
	progress io.Writer

	runs    int
	samples []report.Sample
}

// rounds plays each case with one server after the other, and all of that again
// and again, so that whatever the machine does besides hits all alike. Each round
// begins with another server, so that none always inherits the same neighbour. Each
// case begins with nothing stored, since nobody drains what the case before left.
func (b *bench) rounds(ctx context.Context) error {
	for round := range b.opts.rounds {
		for i, p := range plays {
			if round+i > 0 {
				if err := b.field.renew(ctx); err != nil {
					return fmt.Errorf("round %d: %w", round+1, err)
				}
			}
			if err := b.play(ctx, round, p); err != nil {
				return err
			}
		}
	}
	return nil
}

func (b *bench) play(ctx context.Context, round int, p play) error {
	subjects := b.field.subjects
	for i := range subjects {
		s := subjects[(i+round)%len(subjects)]
		if p.oursOnly && s.Name != ours {
			continue
		}
		if err := b.run(ctx, round, p, s); err != nil {
			return fmt.Errorf("%s, %s, round %d: %w", s.Name, p.Case, round+1, err)
		}
	}
	return nil
}

func (b *bench) run(ctx context.Context, round int, p play, s *subject.Subject) error {
	syscall.Sync() // the last run's dirty pages are not for this one to write
	m := meter{subject: s, disk: b.disk}
	result, err := load.Run(ctx, load.Plan{
		Address: s.Address, Connections: p.Connections, RepeatPercent: p.RepeatPercent, Batch: p.Batch, Keyed: p.Keyed,
		CountsRepeats: s.CountsRepeats, Run: b.runs, WarmUp: b.opts.warmUp(), Window: b.opts.window,
	}, m.read)
	b.runs++
	if err != nil {
		return err
	}
	if result.Refused > 0 {
		return fmt.Errorf("%d of %d payments were refused, such as by\n%s", result.Refused, result.Payments, result.FirstWrong)
	}
	sample := m.sample(result)
	sample.Case, sample.Server, sample.Round = p.Case, s.Name, round
	if sample.ResidentBytes, err = machine.ResidentBytes(s.PID); err != nil {
		return err
	}
	b.samples = append(b.samples, sample)
	b.say("%d/%d  %-7s %-38s %8.0f/s  p50 %6.2f ms  p99 %6.2f ms\n", b.runs, b.opts.rounds*runsPerRound(),
		s.Name, p.Case, sample.Rate, milliseconds(sample.P50), milliseconds(sample.P99))
	if result.Misjudged > 0 {
		b.say("  %d answers were wrong about a repetition, such as\n%s\n", result.Misjudged, result.FirstWrong)
	}
	return nil
}

func (b *bench) say(format string, args ...any) { _, _ = fmt.Fprintf(b.progress, format, args...) }
