package local_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/paybuf/paybuf/internal/local"
)

func startCluster(t *testing.T, dir string) *local.NATSCluster {
	t.Helper()
	c, err := local.StartNATSCluster(t.Context(), local.NATSClusterConfig{Dir: dir, Logger: silent})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Stop)
	return c
}

// connectCluster opens a client of whatever servers run, and makes a stream that
// all three keep.
func connectCluster(t *testing.T, c *local.NATSCluster) jetstream.JetStream {
	t.Helper()
	nc, err := nats.Connect(strings.Join(c.URLs(), ","), nats.MaxReconnects(-1), nats.ReconnectWait(50*time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "the stream is there", func() bool {
		_, err := js.CreateOrUpdateStream(t.Context(), jetstream.StreamConfig{Name: streamName, Subjects: []string{subject}, Replicas: 3})
		return err == nil
	})
	return js
}

func publish(t *testing.T, js jetstream.JetStream) {
	t.Helper()
	eventually(t, "a message is stored", func() bool {
		_, err := js.Publish(t.Context(), subject, []byte("a payment"), jetstream.WithMsgID(t.Name()))
		return err == nil
	})
}

func TestNATSCluster_twoOfThreeGoOnAndTheThirdCatchesUp(t *testing.T) {
	c := startCluster(t, t.TempDir())
	js := connectCluster(t, c)
	leader := -1
	eventually(t, "the stream has a leader", func() bool {
		leader = c.Leader(streamName)
		return leader >= 0
	})
	c.StopNode(leader)
	c.StopNode(leader) // a second time does nothing
	eventually(t, "it has another", func() bool { return c.Leader(streamName) >= 0 })
	if next := c.Leader(streamName); next == leader {
		t.Errorf("node %d leads although it is stopped", next)
	}
	publish(t, js)
	if err := c.StartNode(t.Context(), leader); err != nil {
		t.Fatal(err)
	}
	if err := c.StartNode(t.Context(), leader); err == nil {
		t.Error("a server that runs was started again")
	}
	eventually(t, "all three have the message", func() bool {
		stream, err := js.Stream(t.Context(), streamName)
		if err != nil {
			return false
		}
		info := stream.CachedInfo()
		current := 0
		for _, peer := range info.Cluster.Replicas {
			if peer.Current && !peer.Offline {
				current++
			}
		}
		return current == 2 && info.State.Msgs == 1
	})
}

func TestNATSCluster_oneOfThreeStoresNothing(t *testing.T) {
	c := startCluster(t, t.TempDir())
	js := connectCluster(t, c)
	c.StopNode(0)
	c.StopNode(1)
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if _, err := js.Publish(ctx, subject, []byte("a payment")); err == nil {
		t.Error("one server of three stored a message")
	}
	if err := c.StartNode(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	publish(t, js)
}

func TestNATSCluster_restartKeepsStreams(t *testing.T) {
	dir := t.TempDir()
	first := startCluster(t, dir)
	publish(t, connectCluster(t, first))
	first.Stop()
	if leader := first.Leader(streamName); leader != -1 {
		t.Errorf("node %d leads although all are stopped", leader)
	}
	js := connectCluster(t, startCluster(t, dir))
	stream, err := js.Stream(t.Context(), streamName)
	if err != nil {
		t.Fatal(err)
	}
	if got := stream.CachedInfo().State.Msgs; got != 1 {
		t.Errorf("%d messages, want 1", got)
	}
}

func TestStartNATSCluster_refusesWhatIsNoCluster(t *testing.T) {
	for _, cfg := range []local.NATSClusterConfig{
		{},
		{Dir: t.TempDir(), Nodes: -1},
		{Dir: t.TempDir(), Nodes: 100},
	} {
		cfg.Logger = silent
		if c, err := local.StartNATSCluster(t.Context(), cfg); err == nil {
			c.Stop()
			t.Errorf("%d nodes in %q were started", cfg.Nodes, cfg.Dir)
		}
	}
}
