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
	postgres *local.Postgres
	subjects []*subject.Subject
}

const postgresStopTimeout = 30 * time.Second

// startField starts all servers. They stay up for all rounds, idle while another
// is measured. After an error everything has been stopped again.
func startField(ctx context.Context, opts options) (_ *field, err error) {
	dir, err := os.MkdirTemp(opts.dir, "paybuf-bench-")
	if err != nil {
		return nil, err
	}
	f := &field{dir: dir}
	defer func() {
		if err != nil {
			err = errors.Join(err, f.stop())
		}
	}()
	if err := os.Chmod(dir, 0o711); err != nil { //nolint:gosec // Postgres' own user must get through
		return nil, err
	}
	if f.program, err = subject.BuildPaybuf(ctx, opts.source, dir); err != nil {
		return nil, err
	}
	f.postgres, err = local.StartPostgres(ctx, local.PostgresConfig{
		Dir: filepath.Join(dir, "peers"), StopWithParent: true, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		return nil, err
	}
	return f, f.startSubjects(ctx)
}

func (f *field) startSubjects(ctx context.Context) error {
	for _, name := range names {
		var s *subject.Subject
		var err error
		switch kind := peer.Kind(name); kind {
		case peer.Insert, peer.River:
			s, err = subject.StartPeer(ctx, kind, f.dir, f.postgres)
		case peer.Bare:
			s, err = subject.StartPeer(ctx, kind, f.dir, nil)
		default:
			s, err = subject.StartPaybuf(ctx, f.program, f.dir)
		}
		if err != nil {
			return err
		}
		f.subjects = append(f.subjects, s)
	}
	return nil
}

// stop ends everything, the last first, and removes the directory.
func (f *field) stop() error {
	var errs []error
	for _, s := range slices.Backward(f.subjects) {
		errs = append(errs, s.Stop())
	}
	if f.postgres != nil {
		ctx, cancel := context.WithTimeout(context.Background(), postgresStopTimeout)
		defer cancel()
		errs = append(errs, f.postgres.Stop(ctx))
	}
	for _, data := range []string{"peers", "paybuf-data"} {
		errs = append(errs, removeCluster(filepath.Join(f.dir, data)))
	}
	errs = append(errs, os.RemoveAll(f.dir)) //nolint:gosec // made by us
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("stop: %w", err)
	}
	return nil
}

// removeCluster removes a Postgres cluster that is kept outside of its directory,
// because Postgres' own user could not get into that.
func removeCluster(data string) error {
	target, err := os.Readlink(filepath.Join(data, "postgres"))
	if err != nil {
		return nil //nolint:nilerr // no link: it is inside, or there is none
	}
	return os.RemoveAll(filepath.Dir(target)) //nolint:gosec // the link is internal/local's
}
