package app_test

import (
	"context"
	"path/filepath"
	"testing"

	"github.com/paybuf/paybuf/internal/app"
	"github.com/paybuf/paybuf/payment"
	"github.com/paybuf/paybuf/processor/payer/simulator"
)

// payer is a simulated payer on loopback that can be taken down and up again.
// Its ledger is the judge.
type payer struct {
	t       *testing.T
	opts    app.SimulatorOptions
	running *app.Simulator
	address string // of its URL, the same after each start
}

// newPayer starts a payer; a function may make it misbehave.
func newPayer(t *testing.T, change ...func(*simulator.Options)) *payer {
	t.Helper()
	p := &payer{t: t}
	p.opts = app.SimulatorOptions{Listen: anyPort, Options: simulator.Options{
		Ledger: filepath.Join(t.TempDir(), "payer.ndjson"),
	}}
	for _, each := range change {
		each(&p.opts.Options)
	}
	p.start()
	t.Cleanup(p.stop)
	return p
}

func (p *payer) start() {
	p.t.Helper()
	running, err := app.StartSimulator(p.opts)
	if err != nil {
		p.t.Fatal(err)
	}
	p.running = running
	p.address = running.URL()
	p.opts.Listen = hostOf(p.t, p.address)
}

// stop leaves nobody listening.
func (p *payer) stop() {
	if p.running != nil {
		p.running.Stop(context.Background())
		p.running = nil
	}
}

func (p *payer) url() string { return p.address }

// sends is how often the payer was asked to charge since its last start.
func (p *payer) sends() int64 { return p.running.Summary().Sends }

// wantOnce checks that exactly these payments were charged, each once and in its
// own amount.
func (p *payer) wantOnce(due map[payment.ID]int64) {
	p.t.Helper()
	times := map[payment.ID]int{}
	for charge, err := range simulator.Charges(p.opts.Ledger) {
		if err != nil {
			p.t.Fatal(err)
		}
		id := payment.ID(charge.Reference)
		times[id]++
		minor, known := due[id]
		switch {
		case !known:
			p.t.Errorf("%s was charged and never accepted", id)
		case charge.Money.Minor() != minor:
			p.t.Errorf("%s was charged %s, want %d", id, charge.Money, minor)
		}
	}
	for id := range due {
		if times[id] != 1 {
			p.t.Errorf("%s was charged %d times", id, times[id])
		}
	}
}
