package local_test

import (
	"context"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/paybuf/paybuf/internal/local"
)

func TestRestart_clientsFindAllTheyHadOnTheNewServer(t *testing.T) {
	n := startNATS(t, local.NATSConfig{Dir: t.TempDir(), Listen: "127.0.0.1:0"})
	url := n.ClientURL()
	inProcess, err := nats.Connect("", nats.InProcessServer(n.InProcess()), nats.ReconnectWait(10*time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(inProcess.Close)
	byTCP, err := nats.Connect(url, nats.ReconnectWait(10*time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(byTCP.Close)
	ctx, cancel := context.WithTimeout(t.Context(), waitTimeout)
	defer cancel()
	for round := range uint64(3) {
		for _, nc := range []*nats.Conn{inProcess, byTCP} {
			publishAndCount(ctx, t, nc)
		}
		js, err := jetstream.New(inProcess)
		if err != nil {
			t.Fatal(err)
		}
		stream, err := js.Stream(ctx, streamName)
		if err != nil {
			t.Fatal(err)
		}
		if got := stream.CachedInfo().State.Msgs; got != 2*(round+1) {
			t.Errorf("%d messages after %d restarts, want %d", got, round, 2*(round+1))
		}
		if err := n.Restart(ctx); err != nil {
			t.Fatalf("restart: %v", err)
		}
		if n.ClientURL() != url {
			t.Fatalf("the server was at %s and is at %s", url, n.ClientURL())
		}
	}
}

// publishAndCount repeats until the client has found the server.
func publishAndCount(ctx context.Context, t *testing.T, nc *nats.Conn) {
	t.Helper()
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	id := nats.NewInbox() // so that a repetition is not a second message
	publish := func() error {
		ctx, cancel := context.WithTimeout(ctx, time.Second) // the server may go away without an answer
		defer cancel()
		if _, err := js.CreateOrUpdateStream(ctx, jetstream.StreamConfig{Name: streamName, Subjects: []string{subject}}); err != nil {
			return err
		}
		_, err := js.Publish(ctx, subject, nil, jetstream.WithMsgID(id))
		return err
	}
	for {
		err := publish()
		if err == nil {
			return
		}
		if ctx.Err() != nil {
			t.Fatal(err)
		}
		<-time.After(20 * time.Millisecond)
	}
}

func TestHasRoom_isTrueOnADiskThatIsNotFull(t *testing.T) {
	n := startNATS(t, local.NATSConfig{Dir: t.TempDir()})
	if !n.HasRoom() {
		t.Error("this machine's own disk is said to be full")
	}
}
