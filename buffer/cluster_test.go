package buffer

import (
	"context"
	"slices"
	"sync"
	"testing"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/paybuf/paybuf/payment"
)

func TestCluster_everythingIsKeptThreeTimes(t *testing.T) {
	b := newClusterTrial(t).nodes[0]
	for _, shard := range b.Shards() {
		stream, err := shard.stream.Info(t.Context())
		if err != nil {
			t.Fatalf("stream: %v", err)
		}
		if n := len(stream.Cluster.Replicas) + 1; stream.Config.Replicas != 3 || n != 3 {
			t.Errorf("%s is configured for %d replicas and has %d", shard.name, stream.Config.Replicas, n)
		}
		consumer, err := shard.consumer.Info(t.Context())
		if err != nil {
			t.Fatalf("consumer: %v", err)
		}
		if n := len(consumer.Cluster.Replicas) + 1; n != 3 {
			t.Errorf("the consumer of %s has %d replicas", shard.name, n)
		}
	}
	bucket, err := b.keys.bucket().Status(t.Context())
	if err != nil {
		t.Fatalf("bucket: %v", err)
	}
	if n := bucket.Config().Replicas; n != 3 {
		t.Errorf("the directory has %d replicas", n)
	}
}

func TestCluster_leadersStepDownUnderLoad(t *testing.T) {
	c := newClusterTrial(t)
	finish := c.begin(t)
	const rounds = 10
	for range rounds {
		for _, shard := range c.nodes[0].Shards() {
			c.stepDown(t, "CONSUMER.LEADER.STEPDOWN."+shard.name+"."+consumerName)
			before := c.leader(t, shard)
			waitFor(t, "another leader of "+shard.name, func() bool { // the old one may be chosen again
				c.stepDown(t, "STREAM.LEADER.STEPDOWN."+shard.name)
				return c.leader(t, shard) != before
			})
		}
		c.await(t, 100)
	}
	finish()
	c.check(t)
}

func TestCluster_aNodeIsLostUnderLoad(t *testing.T) {
	c := newClusterTrial(t)
	finish := c.begin(t)
	victims := []func() int{
		func() int { return c.leader(t, c.nodes[0].Shards()[0]) },
		func() int { return slices.Index(c.cluster.URLs(), c.nodes[0].nc.ConnectedUrl()) },
	}
	for _, victim := range victims {
		node := -1
		waitFor(t, "a victim", func() bool { node = victim(); return node >= 0 })
		c.cluster.StopNode(node)
		c.await(t, 200)
		if err := c.cluster.StartNode(t.Context(), node); err != nil {
			t.Fatalf("start node %d: %v", node, err)
		}
		c.awaitCurrent(t)
	}
	finish()
	c.check(t)
	c.checkDirectory(t)
}

func TestCluster_withoutAMajorityNothingIsAcceptedAndNothingIsLost(t *testing.T) {
	c := newClusterTrial(t)
	finish := c.begin(t)
	c.await(t, 100)
	finish()
	// Two of three, and the one that stays leads a stream: it does not know yet
	// that it leads nobody.
	stays := c.leader(t, c.nodes[0].Shards()[0])
	for i := range 3 {
		if i != stays {
			c.cluster.StopNode(i)
		}
	}
	opened := make(chan *Buffer, 1)
	var opening sync.WaitGroup
	opening.Go(func() { opened <- c.open(t, StreamOnly) })
	t.Cleanup(opening.Wait)
	refused := c.refuseAll(t)
	for i := range 3 {
		if i != stays {
			if err := c.cluster.StartNode(t.Context(), i); err != nil {
				t.Fatalf("start node %d: %v", i, err)
			}
		}
	}
	c.awaitCurrent(t)
	if b := <-opened; b != nil {
		c.nodes = append(c.nodes, b) // it waited for a majority
	}
	finish = c.begin(t)
	for i, number := range refused {
		c.submit(t, c.nodes[i%len(c.nodes)], number)
	}
	c.await(t, 100)
	finish()
	c.check(t)
	c.checkDirectory(t)
}

// refuseAll puts orders that must not be accepted, and gives their numbers.
func (c *clusterTrial) refuseAll(t *testing.T) []int64 {
	t.Helper()
	var refused []int64
	var putters sync.WaitGroup
	for _, node := range c.nodes {
		for range clusterSenders {
			number := c.numbers.Add(1)
			refused = append(refused, number)
			putters.Go(func() {
				ctx, cancel := context.WithTimeout(t.Context(), 10*node.cfg.PutTimeout)
				defer cancel()
				receipt, err := node.Put(ctx, c.order(t, number))
				if code, _ := payment.CodeOf(err); err == nil || code != payment.CodeBufferUnavailable {
					t.Errorf("put gave %+v, %v; want %s", receipt, err, payment.CodeBufferUnavailable)
				}
				if ctx.Err() != nil {
					t.Errorf("put took more than ten times its %s", node.cfg.PutTimeout)
				}
			})
		}
	}
	putters.Wait()
	return refused
}

// leader waits for a stream to have a leader, and gives the server that it is.
func (c *clusterTrial) leader(t *testing.T, shard *Shard) int {
	t.Helper()
	leader := -1
	waitFor(t, "a leader of "+shard.name, func() bool {
		leader = c.cluster.Leader(shard.name)
		return leader >= 0
	})
	return leader
}

func (c *clusterTrial) stepDown(t *testing.T, who string) {
	t.Helper()
	waitFor(t, "the answer to "+who, func() bool {
		ctx, cancel := context.WithTimeout(t.Context(), requestTimeout)
		defer cancel()
		_, err := c.nodes[0].nc.RequestWithContext(ctx, "$JS.API."+who, nil)
		return err == nil
	})
}

// awaitCurrent waits until every server has all that each stream's leader has.
func (c *clusterTrial) awaitCurrent(t *testing.T) {
	t.Helper()
	for _, shard := range c.nodes[0].Shards() {
		waitFor(t, "all replicas of "+shard.name, func() bool {
			info, err := shard.stream.Info(t.Context())
			behind := func(peer *jetstream.PeerInfo) bool { return !peer.Current || peer.Offline }
			return err == nil && info.Cluster != nil && len(info.Cluster.Replicas) == 2 &&
				!slices.ContainsFunc(info.Cluster.Replicas, behind)
		})
	}
}

// checkDirectory checks that the watch on the API keys has outlived its server.
func (c *clusterTrial) checkDirectory(t *testing.T) {
	t.Helper()
	key := payment.APIKey{ID: "after", Tenant: "acme", Hash: [32]byte{1}}
	waitFor(t, "the keys to be stored", func() bool {
		return c.nodes[0].Keys().Replace(t.Context(), []payment.APIKey{key}) == nil
	})
	for _, node := range c.nodes {
		waitFor(t, "the new key on "+string(node.cfg.Durability), func() bool {
			_, known := node.Keys().Key(key.ID)
			return known
		})
	}
}
