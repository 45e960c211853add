package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/paybuf/paybuf/bench/load"
	"github.com/paybuf/paybuf/bench/outcome"
	"github.com/paybuf/paybuf/bench/payer"
	"github.com/paybuf/paybuf/bench/subject"
	"github.com/paybuf/paybuf/internal/local"
)

const finishPoll = 100 * time.Millisecond

var errUnfinished = errors.New("not all payments came to their end in time")

// stage is what one pipeline has to itself for one measurement: a payer, a Postgres
// and its server, all with nothing stored.
type stage struct {
	dir      string
	program  string // paybuf
	payer    *subject.Subject
	teller   *payer.Teller
	postgres *local.Postgres  // nil if the server starts its own
	server   *subject.Subject // nil while none runs
	ledger   *outcome.Ledger  // of the server; nil while none runs
}

// openStage starts all but the server. After an error everything has been stopped
// again.
func openStage(ctx context.Context, f *field, p pipeline) (_ *stage, err error) {
	s := &stage{dir: filepath.Join(f.dir, "stage"), program: f.program}
	if err := os.Mkdir(s.dir, passableMode); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.close())
		}
	}()
	if err := s.startPostgres(ctx, p); err != nil {
		return nil, err
	}
	if s.payer, err = subject.StartPayer(ctx, s.dir); err != nil {
		return nil, err
	}
	s.teller = payer.NewTeller(s.payer.Address)
	return s, nil
}

// startPostgres prepares the pipeline's cluster, and starts it unless the server
// does.
func (s *stage) startPostgres(ctx context.Context, p pipeline) (err error) {
	dir := p.postgresDir(s.dir)
	if err := os.MkdirAll(dir, passableMode); err != nil {
		return err
	}
	if err := outcome.Prepare(ctx, dir); err != nil || p.startsPostgres {
		return err
	}
	s.postgres, err = local.StartPostgres(ctx, local.PostgresConfig{
		Dir: dir, StopWithParent: true, Logger: slog.New(slog.DiscardHandler),
	})
	return err
}

// start starts the server, in one of the pipeline's ways.
func (s *stage) start(ctx context.Context, p pipeline, way starter) (err error) {
	if s.server, err = way(ctx, s); err != nil {
		return err
	}
	s.ledger, err = outcome.Open(ctx, s.server.PostgresURL, p.source)
	return err
}

// stop stops the server.
func (s *stage) stop() error {
	var errs []error
	if s.ledger != nil {
		errs = append(errs, s.ledger.Close(context.Background()))
		s.ledger = nil
	}
	if s.server != nil {
		errs = append(errs, s.server.Stop())
		s.server = nil
	}
	return errors.Join(errs...)
}

// kill ends the server by kill -9, whatever it is about.
func (s *stage) kill() error {
	server := s.server
	s.server = nil
	return errors.Join(server.Kill(), s.stop())
}

// close stops everything and removes what was stored.
func (s *stage) close() error {
	errs := []error{s.stop()}
	if s.payer != nil {
		s.teller.Close()
		errs = append(errs, s.payer.Stop())
	}
	if s.postgres != nil {
		ctx, cancel := context.WithTimeout(context.Background(), postgresStopTimeout)
		defer cancel()
		errs = append(errs, s.postgres.Stop(ctx))
	}
	return errors.Join(append(errs, subject.RemoveData(s.dir))...)
}

// charges gives how many calls of the payer have charged.
func (s *stage) charges(ctx context.Context) (int64, error) {
	tally, err := s.teller.Tally(ctx)
	return tally.Charges, err
}

// finish waits until so many payments have come to their end, and sees to it that
// each was charged once and that there are no others. The database is not asked
// before the payer has charged all, since to count its rows takes time from those
// that are measured.
func (s *stage) finish(ctx context.Context, payments int64, within time.Duration) error {
	ctx, cancel := context.WithTimeoutCause(ctx, within, errUnfinished)
	defer cancel()
	if err := awaitCount(ctx, s.charges, payments); err != nil {
		return fmt.Errorf("charges: %w", err)
	}
	if err := awaitCount(ctx, s.ledger.Count, payments); err != nil {
		return fmt.Errorf("outcomes: %w", err)
	}
	tally, err := s.teller.Tally(ctx)
	if err != nil {
		return err
	}
	ended, err := s.ledger.Count(ctx)
	if err != nil {
		return err
	}
	return checkCounts(payments, ended, tally)
}

// checkCounts holds what was accepted, what came to its end and what was charged
// against each other.
func checkCounts(accepted, ended int64, charged payer.Tally) error {
	if charged.Charges != accepted || charged.References != accepted || ended != accepted {
		return fmt.Errorf("%d payments were accepted, %d came to their end, by %d charges for %d payments",
			accepted, ended, charged.Charges, charged.References)
	}
	return nil
}

// awaitCount counts again and again, until there are as many as are wanted.
func awaitCount(ctx context.Context, count func(context.Context) (int64, error), wanted int64) error {
	for {
		n, err := count(ctx)
		if err != nil || n >= wanted {
			return err
		}
		if err := load.Pause(ctx, finishPoll); err != nil {
			return fmt.Errorf("%d of %d: %w", n, wanted, err)
		}
	}
}
