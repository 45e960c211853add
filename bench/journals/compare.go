package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime/debug"
	"time"

	"github.com/paybuf/paybuf/bench/journals/play"
	"github.com/paybuf/paybuf/bench/journals/receipt"
	"github.com/paybuf/paybuf/bench/journals/store"
	"github.com/paybuf/paybuf/bench/machine"
	"github.com/paybuf/paybuf/bench/report"
	"github.com/paybuf/paybuf/bench/subject"
)

// bench does everything in a directory that goes with it.
type bench struct {
	opts     options
	dir      string
	made     int // directories within
	progress io.Writer
}

// compare measures appending, opening, forgetting, and tries the damage.
func compare(ctx context.Context, opts options, progress io.Writer) (_ *report.Journals, err error) {
	loadBefore, err := machine.LoadAverage()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp(opts.dir, "paybuf-journals-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	b := &bench{opts: opts, dir: dir, progress: progress}
	j, err := b.document(ctx)
	if err != nil {
		return nil, err
	}
	j.LoadBefore = loadBefore
	if err := b.rounds(ctx, j); err != nil {
		return nil, err
	}
	if err := b.keep(ctx, j); err != nil {
		return nil, err
	}
	if err := b.harm(ctx, j); err != nil {
		return nil, err
	}
	j.LoadAfter, err = machine.LoadAverage()
	return j, err
}

// document says what is measured, and where.
func (b *bench) document(ctx context.Context) (*report.Journals, error) {
	j := &report.Journals{
		Ours: string(store.Ours), Rounds: b.opts.rounds, Window: b.opts.window, WarmUp: b.opts.warmUp(),
		PayloadBytes: len(receipt.Of(0)), KeptRecords: b.opts.keptRecords,
		SegmentBytes: b.opts.segmentBytes, HalvedBytes: b.opts.halvedBytes,
		HarmedRecords: b.opts.harmedRecords, HarmedSegment: b.opts.harmedBytes,
		Measured: time.Now().UTC(),
	}
	for _, kind := range store.Kinds[1:] {
		j.Others = append(j.Others, string(kind))
	}
	var err error
	if j.Machine, err = machine.Describe(); err != nil {
		return nil, err
	}
	if j.Disk, err = machine.MeasureDisk(b.dir); err != nil {
		return nil, err
	}
	_, j.DiskKnown = j.Disk.Flushes()
	self, ok := debug.ReadBuildInfo()
	if !ok {
		return nil, errors.New("versions: this program was built without modules")
	}
	j.Versions = report.JournalVersions{
		Paybuf:  subject.PaybufVersion(ctx, b.opts.source),
		Pebble:  subject.ModuleVersion(self, "github.com/cockroachdb/pebble/v2"),
		RaftWAL: subject.ModuleVersion(self, "github.com/hashicorp/raft-wal"),
		Bolt:    subject.ModuleVersion(self, "go.etcd.io/bbolt"),
	}
	return j, nil
}

// order prepares an order in a directory of its own.
func (b *bench) order(role play.Role, kind store.Kind) (play.Order, error) {
	b.made++
	dir := filepath.Join(b.dir, fmt.Sprintf("%04d", b.made))
	const private = 0o700
	return play.Order{Role: role, Kind: kind, Dir: dir, SegmentBytes: b.opts.segmentBytes}, os.Mkdir(dir, private)
}

func (b *bench) say(format string, args ...any) { _, _ = fmt.Fprintf(b.progress, format, args...) }

func milliseconds(d time.Duration) float64 { return d.Seconds() * 1000 }
