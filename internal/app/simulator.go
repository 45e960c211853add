package app

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/paybuf/paybuf/processor/payer/simulator"
)

const simulatorKeyWindow = 24 * time.Hour

// SimulatorOptions are what `paybuf simulate-payer` is told.
type SimulatorOptions struct {
	simulator.Options
	Listen string
}

// Simulator is a simulated payer that serves the generic HTTP contract.
type Simulator struct {
	engine   *simulator.Engine
	listener net.Listener
	server   *http.Server
	wg       sync.WaitGroup
	fatal    chan error
}

// StartSimulator opens the ledger and listens.
func StartSimulator(opts SimulatorOptions) (*Simulator, error) {
	engine, err := simulator.Open(opts.Options)
	if err != nil {
		return nil, err
	}
	var listen net.ListenConfig
	listener, err := listen.Listen(context.Background(), "tcp", opts.Listen)
	if err != nil {
		return nil, errors.Join(configError(fmt.Sprintf("payer: %v", err)), engine.Close())
	}
	s := &Simulator{engine: engine, listener: listener, server: engine.NewServer(), fatal: make(chan error, 1)}
	s.wg.Go(func() {
		if err := s.server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			s.fatal <- errPart("payer", err)
		}
	})
	return s, nil
}

// URL is where the payer is called.
func (s *Simulator) URL() string { return "http://" + s.listener.Addr().String() }

// Summary counts what it has charged.
func (s *Simulator) Summary() simulator.Summary { return s.engine.Summary() }

// Fatal gives an error after which it no longer serves.
func (s *Simulator) Fatal() <-chan error { return s.fatal }

// Stop ends all calls and closes the ledger. Clients see what a payer's own
// restart would show them.
func (s *Simulator) Stop(context.Context) {
	_ = s.server.Close()
	s.wg.Wait()
	_ = s.engine.Close() // every charge that was answered is on disk already
}

// ReadLedger counts a simulated payer's ledger file.
func ReadLedger(file string) (simulator.Summary, error) { return simulator.ReadLedger(file) }
