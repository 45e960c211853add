package main

import (
	"context"
	"debug/buildinfo"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime/debug"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/paybuf/paybuf/bench/machine"
	"github.com/paybuf/paybuf/bench/peer"
	"github.com/paybuf/paybuf/bench/report"
	"github.com/paybuf/paybuf/bench/subject"
)

var errTooLong = errors.New("the runs took longer than they may")

const fileMode = 0o644

// compare starts the servers, measures them and stops them.
func compare(ctx context.Context, opts options, progress io.Writer) (_ *report.Document, err error) {
	loadBefore, err := machine.LoadAverage()
	if err != nil {
		return nil, err
	}
	f, err := openField(ctx, opts)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.close()) }()
	d := &report.Document{
		Ours: ours, Peers: []string{string(peer.Insert), string(peer.River)}, Baseline: string(peer.Bare),
		Measured: time.Now().UTC(), Rounds: opts.rounds, Window: opts.window, WarmUp: opts.warmUp(),
		PoolConnections: peer.PoolConnections, LoadBefore: loadBefore,
		Sustained: opts.sustained, PacedFor: opts.paced(), WorkersMax: peer.WorkersMax,
	}
	if d.Machine, err = machine.Describe(); err != nil {
		return nil, err
	}
	if d.Disk, err = machine.MeasureDisk(f.dir); err != nil {
		return nil, err
	}
	_, d.FlushesKnown = d.Disk.Flushes()
	if err := describeVersions(ctx, f, opts.source, d); err != nil {
		return nil, err
	}
	b := &bench{opts: opts, field: f, disk: d.Disk, progress: progress}
	if err := b.measure(ctx, d); err != nil {
		return nil, err
	}
	d.LoadAfter, err = machine.LoadAverage()
	return d, err
}

// measure plays the parts that are wanted.
func (b *bench) measure(ctx context.Context, d *report.Document) (err error) {
	if b.opts.measures(intake) {
		ctx, cancel := context.WithTimeoutCause(ctx, b.opts.limit(), errTooLong)
		defer cancel()
		if err := b.rounds(ctx); err != nil {
			return err
		}
		d.Samples = b.samples
		if d.Backlog, err = b.backlog(ctx); err != nil {
			return err
		}
	}
	if b.opts.measures(endToEnd) {
		if d.Pipelines, err = b.pipelines(ctx); err != nil {
			return err
		}
	}
	if b.opts.measures(telling) {
		d.Telling, err = b.tell(ctx)
	}
	return err
}

// describeVersions finds out what was measured.
func describeVersions(ctx context.Context, f *field, source string, d *report.Document) error {
	program, err := buildinfo.ReadFile(f.program)
	if err != nil {
		return fmt.Errorf("versions: %w", err)
	}
	self, ok := debug.ReadBuildInfo()
	if !ok {
		return errors.New("versions: this program was built without modules")
	}
	d.Versions = report.Versions{
		Paybuf: subject.PaybufVersion(ctx, source),
		NATS:   subject.ModuleVersion(program, "github.com/nats-io/nats-server/v2"),
		River:  subject.ModuleVersion(self, "github.com/riverqueue/river"),
		PGX:    subject.ModuleVersion(self, "github.com/jackc/pgx/v5"),
	}
	conn, err := pgx.Connect(ctx, f.postgres.URL())
	if err != nil {
		return fmt.Errorf("versions: %w", err)
	}
	err = conn.QueryRow(ctx, "SHOW server_version").Scan(&d.Versions.Postgres)
	if err := errors.Join(err, conn.Close(ctx)); err != nil {
		return fmt.Errorf("versions: %w", err)
	}
	return nil
}

// publish writes the documents, or prints the text if there is no directory for
// them.
func publish(d *report.Document, dir string) error {
	text, err := d.Markdown()
	if err != nil {
		return err
	}
	if dir == "" {
		_, err := os.Stdout.Write(text)
		return err
	}
	return errors.Join(
		os.WriteFile(filepath.Join(dir, "benchmarks.svg"), d.Chart(), fileMode), //nolint:gosec // for everybody to read
		os.WriteFile(filepath.Join(dir, "benchmarks.md"), text, fileMode),       //nolint:gosec // for everybody to read
	)
}
