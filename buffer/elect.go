package buffer

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/paybuf/paybuf/payment"
)

const (
	// electTimeout allows for several elections, each of which may take the servers
	// nine seconds.
	electTimeout = 30 * time.Second
	// codeNotAvailable is nats-server's while a cluster has no leader.
	codeNotAvailable = 10008
	// codeNoPeers is nats-server's while too few servers of a cluster have met.
	codeNoPeers = 10005
)

// patiently repeats a step of a start while the servers choose their leaders: a
// cluster is often started together with those who use it.
func patiently(ctx context.Context, log *slog.Logger, step func(context.Context) error) error {
	deadline := time.Now().Add(electTimeout)
	for try := 0; ; try++ {
		err := step(ctx)
		switch {
		case err == nil || !isLeaderless(err):
			return err
		case ctx.Err() != nil || time.Now().After(deadline):
			return &payment.Error{
				Code:   payment.CodeBufferUnavailable, // the next start may find a leader
				Detail: "JetStream does not answer; check that it is enabled, and that a majority of the NATS servers runs and at least as many as --replicas",
				Cause:  err,
			}
		}
		if try == 0 {
			log.Warn("JetStream does not answer yet; waiting", slog.Any("error", err))
		}
		pause(ctx, refusedPause)
	}
}

// isLeaderless tells the errors of servers that have not agreed yet.
func isLeaderless(err error) bool {
	if refused, ok := errors.AsType[*jetstream.APIError](err); ok {
		return refused.ErrorCode == codeNotAvailable || refused.ErrorCode == codeNoPeers
	}
	for _, silence := range []error{
		context.DeadlineExceeded, nats.ErrTimeout, nats.ErrNoResponders, jetstream.ErrNoStreamResponse,
	} {
		if errors.Is(err, silence) {
			return true
		}
	}
	return false
}
