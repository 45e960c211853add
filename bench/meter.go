package main

import (
	"errors"
	"os"
	"runtime"
	"time"

	"github.com/paybuf/paybuf/bench/load"
	"github.com/paybuf/paybuf/bench/machine"
	"github.com/paybuf/paybuf/bench/report"
	"github.com/paybuf/paybuf/bench/subject"
)

// reading is what the machine's counters say at one moment.
type reading struct {
	server, postgres, generator, busy time.Duration
	flushes                           int64
}

// meter reads the counters at both ends of a run's window.
type meter struct {
	subject  *subject.Subject
	disk     machine.Disk
	readings []reading
}

func (m *meter) read() error {
	var now reading
	var err error
	errs := make([]error, 0, 4)
	now.server, err = machine.CPU(m.subject.PID)
	errs = append(errs, err)
	if m.subject.PostgresPID != 0 {
		now.postgres, err = machine.TreeCPU(m.subject.PostgresPID)
		errs = append(errs, err)
	}
	now.generator, err = machine.CPU(os.Getpid())
	errs = append(errs, err)
	now.busy, err = machine.Busy()
	errs = append(errs, err)
	now.flushes, _ = m.disk.Flushes()
	m.readings = append(m.readings, now)
	return errors.Join(errs...)
}

// sample puts together what the clients saw and what it cost.
func (m *meter) sample(result *load.Result) report.Sample {
	before, after := m.readings[0], m.readings[len(m.readings)-1]
	answers := result.Payments
	each := func(before, after time.Duration) time.Duration {
		return (after - before) / time.Duration(max(1, answers))
	}
	known := after.server + after.postgres + after.generator - before.server - before.postgres - before.generator
	cores := result.Window * time.Duration(runtime.NumCPU())
	return report.Sample{
		Rate:         result.Rate(),
		P50:          result.Latency.Quantile(0.50),
		P99:          result.Latency.Quantile(0.99),
		Answers:      answers,
		Misjudged:    result.Misjudged,
		ServerCPU:    each(before.server, after.server),
		PostgresCPU:  each(before.postgres, after.postgres),
		GeneratorCPU: each(before.generator, after.generator),
		OtherShare:   max(0, (after.busy-before.busy-known).Seconds()/cores.Seconds()),
		FlushRate:    float64(after.flushes-before.flushes) / result.Window.Seconds(),
	}
}

func milliseconds(d time.Duration) float64 { return d.Seconds() * 1000 }
