package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"syscall"

	"github.com/paybuf/paybuf/bench/load"
	"github.com/paybuf/paybuf/bench/outcome"
	"github.com/paybuf/paybuf/bench/peer"
	"github.com/paybuf/paybuf/bench/report"
	"github.com/paybuf/paybuf/bench/subject"
)

// starter starts a pipeline's server on a stage.
type starter func(ctx context.Context, s *stage) (*subject.Subject, error)

// pipeline is what brings payments from the request to their end.
type pipeline struct {
	name   string
	source outcome.Source
	// postgresDir is where its cluster is kept, of a stage's directory.
	postgresDir    func(dir string) string
	startsPostgres bool    // by itself
	take           starter // of a server that takes payments in and pays none
	work           starter // of one that does all
}

var pipelines = []pipeline{
	{
		name: ours, source: outcome.Paybuf, postgresDir: subject.DataDir, startsPostgres: true,
		take: func(ctx context.Context, s *stage) (*subject.Subject, error) {
			return subject.StartPaybuf(ctx, s.program, s.dir)
		},
		work: func(ctx context.Context, s *stage) (*subject.Subject, error) {
			return subject.StartPaybufPipeline(ctx, s.program, s.dir, s.payer)
		},
	},
	{
		name: string(peer.River), source: outcome.River,
		postgresDir: func(dir string) string { return filepath.Join(dir, "peer") },
		take: func(ctx context.Context, s *stage) (*subject.Subject, error) {
			return subject.StartPeer(ctx, peer.River, s.dir, s.postgres)
		},
		work: func(ctx context.Context, s *stage) (*subject.Subject, error) {
			return subject.StartPeerPipeline(ctx, s.dir, s.postgres, s.payer)
		},
	},
}

// situation is one of those in which pipelines are measured.
type situation struct {
	name    string
	measure func(b *bench, ctx context.Context, s *stage, p pipeline, run *report.Pipeline) error
}

// The last one goes by what the first has found.
var situations = []situation{
	{"sustained", (*bench).sustain}, {"draining", (*bench).drain}, {"paced", (*bench).pace},
}

// pipelines measures each pipeline in each situation. The servers of the rounds have
// ended by then.
func (b *bench) pipelines(ctx context.Context) ([]report.Pipeline, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, b.opts.pipelinesLimit(), errTooLong)
	defer cancel()
	if err := b.field.stop(); err != nil {
		return nil, err
	}
	runs := make([]report.Pipeline, len(pipelines))
	for _, situation := range situations {
		for i, p := range pipelines {
			runs[i].Server = p.name
			if err := b.perform(ctx, situation, p, &runs[i]); err != nil {
				return nil, fmt.Errorf("%s, %s: %w", p.name, situation.name, err)
			}
		}
	}
	return runs, nil
}

// perform measures a pipeline once, on a stage of its own.
func (b *bench) perform(ctx context.Context, in situation, p pipeline, run *report.Pipeline) (err error) {
	s, err := openStage(ctx, b.field, p)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	syscall.Sync() // what came before is not for this one to write
	b.runs++
	return in.measure(b, ctx, s, p, run)
}

// plan is what is sent to a stage's server.
func (b *bench) plan(s *stage) load.Plan {
	return load.Plan{
		Address: s.server.Address, Connections: report.PipelineConnections, CountsRepeats: true, Run: b.runs,
		WarmUp: b.opts.pipelineWarmUp(),
	}
}

func (b *bench) sayFlow(p pipeline, situation string, flow report.Flow) {
	b.say("%-9s  %-7s %8.0f/s  %.3f statements each\n", situation, p.name, flow.Rate(), flow.Statements)
}
