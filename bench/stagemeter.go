package main

import (
	"cmp"
	"context"
	"errors"
	"runtime"
	"time"

	"github.com/paybuf/paybuf/bench/machine"
	"github.com/paybuf/paybuf/bench/report"
	"github.com/paybuf/paybuf/bench/subject"
)

// stageReading is what the counters of a whole stage say at one moment.
type stageReading struct {
	reading
	at         time.Time
	payer      time.Duration // or whoever stands in its place
	statements int64
}

// stageMeter reads the counters at both ends of a measurement.
type stageMeter struct {
	stage    *stage
	outside  *subject.Subject // whose processor time is read as the payer's; nil: the payer's
	readings []stageReading
}

func (m *stageMeter) read(ctx context.Context) error {
	now := stageReading{at: time.Now()}
	var payerErr, statementsErr error
	now.payer, payerErr = machine.CPU(cmp.Or(m.outside, m.stage.payer).PID)
	now.statements, statementsErr = m.stage.ledger.Statements(ctx)
	plain := meter{subject: m.stage.server}
	err := plain.read()
	now.reading = plain.readings[0]
	m.readings = append(m.readings, now)
	return errors.Join(err, payerErr, statementsErr)
}

// span is from when to when it was measured.
func (m *stageMeter) span() (opened, closed time.Time) {
	return m.readings[0].at, m.readings[len(m.readings)-1].at
}

// flow puts together how many payments came to their end in which time, and what
// that cost.
func (m *stageMeter) flow(payments int64, took time.Duration) report.Flow {
	before, after := m.readings[0], m.readings[len(m.readings)-1]
	count := max(1, payments)
	each := func(before, after time.Duration) time.Duration { return (after - before) / time.Duration(count) }
	known := func(r stageReading) time.Duration { return r.server + r.postgres + r.payer + r.generator }
	cores := after.at.Sub(before.at) * time.Duration(runtime.NumCPU())
	const own = 1 // statement of the first reading
	return report.Flow{
		Payments:     payments,
		Took:         took,
		Statements:   float64(after.statements-before.statements-own) / float64(count),
		ServerCPU:    each(before.server, after.server),
		PostgresCPU:  each(before.postgres, after.postgres),
		PayerCPU:     each(before.payer, after.payer),
		GeneratorCPU: each(before.generator, after.generator),
		OtherShare:   max(0, (after.busy-before.busy-known(after)+known(before)).Seconds()/cores.Seconds()),
	}
}
