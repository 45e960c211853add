package subject

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/paybuf/paybuf/bench/consumer"
	"github.com/paybuf/paybuf/bench/payer"
	"github.com/paybuf/paybuf/bench/peer"
	"github.com/paybuf/paybuf/internal/local"
)

// PostgresVariable tells a peer's process where its Postgres is: an environment
// is not shown to other users, unlike a command line. PayerVariable tells it where
// its payer is, AnswerVariable which file has the answer that it always gives, and
// StoreVariable where NATS stores.
const (
	PostgresVariable = "BENCH_POSTGRES_URL"
	PayerVariable    = "BENCH_PAYER_URL"
	AnswerVariable   = "BENCH_ANSWER_FILE"
	StoreVariable    = "BENCH_NATS_DIR"
)

// PeerCommand is the hidden first argument by which this program serves a peer or
// another server that is no subject of its own, the second naming it.
const PeerCommand = "peer"

// What those others are called where peers have their kind.
const (
	payerName    = "payer"
	consumerName = "consumer"
	natsName     = "nats"
)

// Serve is what the program does in the process of a peer or of another such server,
// until in ends.
func Serve(ctx context.Context, name string, in io.Reader, out io.Writer) error {
	switch name {
	case payerName:
		return payer.Serve(ctx, in, out)
	case consumerName:
		return consumer.Serve(ctx, in, out)
	case natsName:
		return serveNATS(ctx, os.Getenv(StoreVariable), in, out)
	}
	with := peer.Outside{
		PostgresURL: os.Getenv(PostgresVariable), PayerURL: os.Getenv(PayerVariable), AnswerFile: os.Getenv(AnswerVariable),
	}
	return peer.Serve(ctx, peer.Kind(name), with, in, out)
}

// StartPayer runs the payer in a process of this same program. Call it from the main
// goroutine, locked to its thread.
func StartPayer(ctx context.Context, dir string) (*Subject, error) {
	return startOurselves(ctx, payerName, dir, nil)
}

// StartConsumer runs the consumer of webhooks, likewise.
func StartConsumer(ctx context.Context, dir string) (*Subject, error) {
	return startOurselves(ctx, consumerName, dir, nil)
}

// StartConstant runs the peer that always gives the answer in a file, with a Go runtime
// that is set up like that of another process.
func StartConstant(ctx context.Context, dir, answerFile string, like Runtime) (*Subject, error) {
	return startOurselves(ctx, string(peer.Constant), dir, append(like.environment(), AnswerVariable+"="+answerFile))
}

// StartPeer runs a peer in a process of this same program; postgres is nil for
// one that needs none. Call it from the main goroutine, locked to its thread.
func StartPeer(ctx context.Context, kind peer.Kind, dir string, postgres *local.Postgres) (*Subject, error) {
	return startPeer(ctx, kind, dir, postgres, nil)
}

// StartPeerPipeline runs River with workers that call the payer.
func StartPeerPipeline(ctx context.Context, dir string, postgres *local.Postgres, payer *Subject) (*Subject, error) {
	return startPeer(ctx, peer.Pipeline, dir, postgres, []string{PayerVariable + "=" + payer.url()})
}

func startPeer(
	ctx context.Context, kind peer.Kind, dir string, postgres *local.Postgres, environment []string,
) (*Subject, error) {
	if postgres == nil {
		return startOurselves(ctx, string(kind), dir, environment)
	}
	s, err := startOurselves(ctx, string(kind), dir, append(environment, PostgresVariable+"="+postgres.URL()))
	if err != nil {
		return nil, err
	}
	s.PostgresPID, s.PostgresURL = postgres.PID(), postgres.URL()
	s.CountsRepeats = true
	return s, nil
}

func startOurselves(ctx context.Context, name, dir string, environment []string) (*Subject, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	s := &Subject{Name: name}
	cmd := exec.CommandContext(context.WithoutCancel(ctx), program, PeerCommand, name) //nolint:gosec // ourselves
	cmd.Env = environment
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	address, told, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	defer func() { _ = address.Close() }() // read to its one line
	cmd.Stdout = told
	p, err := start(s.Name, cmd, filepath.Join(dir, s.Name+".log"))
	if err := errors.Join(err, told.Close()); err != nil {
		return nil, err
	}
	s.PID = cmd.Process.Pid
	s.stop = func() error { return p.stop(stdin.Close) }
	if s.Address, err = readAddress(address); err != nil {
		return nil, errors.Join(fmt.Errorf("start %s: %w%s", name, err, p.lastWords()), s.stop())
	}
	return s, nil
}

// readAddress reads the one line that a peer says when it is ready.
func readAddress(from *os.File) (string, error) {
	if err := from.SetReadDeadline(time.Now().Add(startTimeout)); err != nil {
		return "", err
	}
	line, err := bufio.NewReader(from).ReadString('\n')
	if err != nil {
		return "", fmt.Errorf("wait for its address: %w", err)
	}
	return strings.TrimSpace(line), nil
}
