package local_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/paybuf/paybuf/internal/local"
)

const (
	streamName = "PAYMENTS"
	subject    = "payments"
	messages   = 500
)

func startNATS(t *testing.T, cfg local.NATSConfig) *local.NATS {
	t.Helper()
	if cfg.Logger == nil {
		cfg.Logger = silent
	}
	n, err := local.StartNATS(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(n.Stop)
	return n
}

// connectNATS opens an in-process client that is closed before its server.
func connectNATS(t *testing.T, n *local.NATS) jetstream.JetStream {
	t.Helper()
	nc, err := nats.Connect("", nats.InProcessServer(n.InProcess()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	return js
}

// fill publishes messages to a new stream, acknowledges the first through a
// durable consumer, and says how many are there.
func fill(n *local.NATS) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), waitTimeout)
	defer cancel()
	nc, err := nats.Connect("", nats.InProcessServer(n.InProcess()))
	if err != nil {
		return "", err
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		return "", err
	}
	stream, err := js.CreateStream(ctx, jetstream.StreamConfig{Name: streamName, Subjects: []string{subject}})
	if err != nil {
		return "", err
	}
	for range messages {
		if _, err := js.Publish(ctx, subject, []byte("a payment")); err != nil {
			return "", err
		}
	}
	consumer, err := stream.CreateConsumer(ctx, jetstream.ConsumerConfig{Durable: "processor", AckPolicy: jetstream.AckExplicitPolicy})
	if err != nil {
		return "", err
	}
	first, err := consumer.Next()
	if err != nil {
		return "", err
	}
	return fmt.Sprint(messages), first.DoubleAck(ctx)
}

// checkFilled checks that every message of fill is still there, and returns the
// consumer's ack floor.
func checkFilled(t *testing.T, n *local.NATS) uint64 {
	t.Helper()
	js := connectNATS(t, n)
	stream, err := js.Stream(t.Context(), streamName)
	if err != nil {
		t.Fatal(err)
	}
	if got := stream.CachedInfo().State.Msgs; got != messages {
		t.Errorf("%d messages, want %d", got, messages)
	}
	consumer, err := stream.Consumer(t.Context(), "processor")
	if err != nil {
		t.Fatal(err)
	}
	return consumer.CachedInfo().AckFloor.Stream
}

func TestStartNATS_restartKeepsStreamsAndConsumers(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "made", "nats")
	first := startNATS(t, local.NATSConfig{Dir: dir})
	if _, err := fill(first); err != nil {
		t.Fatal(err)
	}
	first.Stop()
	if got := checkFilled(t, startNATS(t, local.NATSConfig{Dir: dir})); got != 1 {
		t.Errorf("the consumer's ack floor is %d, want 1", got)
	}
}

func TestStartNATS_kill9KeepsWhatWasAcknowledged(t *testing.T) {
	dir := t.TempDir()
	o := startOwner(t, ownerNATS, dir)
	if got := o.line(t); got != strconv.Itoa(messages) {
		t.Fatalf("the owner stored %q", got)
	}
	o.kill(t)
	// Acks are written behind, so the one of fill may be lost: a redelivery.
	if got := checkFilled(t, startNATS(t, local.NATSConfig{Dir: dir})); got > 1 {
		t.Errorf("the consumer's ack floor is %d, want 0 or 1", got)
	}
}

func TestStartNATS_secondProcessIsTurnedAway(t *testing.T) {
	dir := t.TempDir()
	o := startOwner(t, ownerNATS, dir)
	o.line(t)
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	_, err := local.StartNATS(ctx, local.NATSConfig{Dir: dir, Logger: silent})
	if !errors.Is(err, local.ErrInUse) || !strings.Contains(err.Error(), strconv.Itoa(o.cmd.Process.Pid)) {
		t.Errorf("the error is %v, want ErrInUse by process %d", err, o.cmd.Process.Pid)
	}
}

func TestStartNATS_listensOnlyOnLoopback(t *testing.T) {
	n := startNATS(t, local.NATSConfig{Dir: t.TempDir(), Listen: "127.0.0.1:0"})
	if !strings.HasPrefix(n.ClientURL(), "nats://127.0.0.1:") {
		t.Errorf("it listens on %q", n.ClientURL())
	}
	nc, err := nats.Connect(n.ClientURL())
	if err != nil {
		t.Fatal(err)
	}
	nc.Close()
	for _, listen := range []string{"0.0.0.0:4222", "192.0.2.1:4222", ":4222", "example.com:4222", "127.0.0.1", "127.0.0.1:http"} {
		if _, err := local.StartNATS(t.Context(), local.NATSConfig{Dir: t.TempDir(), Listen: listen, Logger: silent}); err == nil {
			t.Errorf("it listens on %s", listen)
		}
	}
}

func TestStartNATS_withoutListenNobodyElseConnects(t *testing.T) {
	n := startNATS(t, local.NATSConfig{Dir: t.TempDir(), SyncAlways: true})
	if n.ClientURL() != "" {
		t.Errorf("it listens on %s", n.ClientURL())
	}
	if _, err := fill(n); err != nil {
		t.Fatal(err)
	}
	if got := checkFilled(t, n); got != 1 {
		t.Errorf("the consumer's ack floor is %d, want 1", got)
	}
}

func TestStartNATS_fullStoreRefusesMessages(t *testing.T) {
	var logged bytes.Buffer
	n := startNATS(t, local.NATSConfig{
		Dir: t.TempDir(), MaxFileBytes: 64 << 10, Logger: slog.New(slog.NewTextHandler(&logged, nil)),
	})
	js := connectNATS(t, n)
	if _, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: streamName, Subjects: []string{subject}}); err != nil {
		t.Fatal(err)
	}
	payload := make([]byte, 8<<10)
	var err error
	for range 16 {
		if _, err = js.Publish(t.Context(), subject, payload); err != nil {
			break
		}
	}
	var refused *jetstream.APIError
	if !errors.As(err, &refused) {
		t.Errorf("the error is %v", err)
	}
	n.Stop()
	if !strings.Contains(logged.String(), "cause=") {
		t.Errorf("nobody heard of it: %q", logged.String())
	}
}

func TestStartNATS_saysWhyItDidNotStart(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "jetstream"), []byte("not a directory"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := local.StartNATS(t.Context(), local.NATSConfig{Dir: dir, Logger: silent})
	if err == nil || !strings.Contains(err.Error(), "storage directory is not a directory") {
		t.Errorf("the error is %v", err)
	}
	if _, err := local.StartNATS(t.Context(), local.NATSConfig{}); err == nil {
		t.Error("started nowhere")
	}
}
