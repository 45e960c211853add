package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/paybuf/paybuf/bench/peer"
	"github.com/paybuf/paybuf/bench/subject"
	"github.com/paybuf/paybuf/internal/local"
)

// ours is the name of what the others are compared with.
const ours = "paybuf"

// names are the servers in the order of a round.
var names = []string{string(peer.Bare), string(peer.Insert), string(peer.River), ours}

// field is everything that was started, on a directory that goes with it.
type field struct {
	dir      string
	program  string // paybuf
	servers  string // directory of those that run
	postgres *local.Postgres
	subjects []*subject.Subject // in the order of names
}

const postgresStopTimeout = 30 * time.Second

// openField builds what is measured and starts all servers. After an error
// everything has been stopped again.
func openField(ctx context.Context, opts options) (_ *field, err error) {
	dir, err := os.MkdirTemp(opts.dir, "paybuf-bench-")
	if err != nil {
		return nil, err
	}
	f := &field{dir: dir, servers: filepath.Join(dir, "servers")}
	defer func() {
		if err != nil {
			err = errors.Join(err, f.close())
		}
	}()
	if err := os.Chmod(dir, passableMode); err != nil {
		return nil, err
	}
	if f.program, err = subject.BuildPaybuf(ctx, opts.source, dir); err != nil {
		return nil, err
	}
	return f, f.start(ctx)
}

// passableMode lets Postgres' own user through to its cluster.
const passableMode = 0o711

// start starts all servers with nothing stored.
func (f *field) start(ctx context.Context) error {
	err := os.Mkdir(f.servers, passableMode)
	if err != nil {
		return err
	}
	f.postgres, err = local.StartPostgres(ctx, local.PostgresConfig{
		Dir: filepath.Join(f.servers, "peers"), StopWithParent: true, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		return err
	}
	for _, name := range names {
		var s *subject.Subject
		switch kind := peer.Kind(name); kind {
		case peer.Insert, peer.River:
			s, err = subject.StartPeer(ctx, kind, f.servers, f.postgres)
		case peer.Bare:
			s, err = subject.StartPeer(ctx, kind, f.servers, nil)
		default:
			s, err = subject.StartPaybuf(ctx, f.program, f.servers)
		}
		if err != nil {
			return err
		}
		f.subjects = append(f.subjects, s)
	}
	return nil
}

// renew starts all servers anew, with nothing stored.
func (f *field) renew(ctx context.Context) error {
	if err := f.stop(); err != nil {
		return err
	}
	return f.start(ctx)
}

// stop ends all servers, the last first, and removes what they stored.
func (f *field) stop() error {
	var errs []error
	for _, s := range slices.Backward(f.subjects) {
		errs = append(errs, s.Stop())
	}
	f.subjects = nil
	if f.postgres != nil {
		ctx, cancel := context.WithTimeout(context.Background(), postgresStopTimeout)
		defer cancel()
		errs = append(errs, f.postgres.Stop(ctx))
		f.postgres = nil
	}
	if err := errors.Join(append(errs, subject.RemoveData(f.servers))...); err != nil {
		return fmt.Errorf("stop: %w", err)
	}
	return nil
}

// close stops what runs and removes everything.
func (f *field) close() error {
	return errors.Join(f.stop(), os.RemoveAll(f.dir)) //nolint:gosec // made by us
}
