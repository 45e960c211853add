package buffer

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/paybuf/paybuf/internal/local"
	"github.com/paybuf/paybuf/internal/local/localtest"
	"github.com/paybuf/paybuf/payment"
)

const (
	clusterSenders = 8
	// clusterRepeat: after every fourth order one is sent again, which makes a
	// fifth of all requests.
	clusterRepeat = 4
)

// clusterTrial is a cluster with two nodes of intake, one of each durability. It
// puts orders, takes them out again, and keeps what both sides were told, while
// a test does things to the cluster.
type clusterTrial struct {
	cluster *local.NATSCluster
	nodes   []*Buffer
	numbers atomic.Int64 // of the orders begun

	start    time.Time
	attempts atomic.Int64

	mu       sync.Mutex
	told     map[payment.ID]time.Time // the acceptance that each receipt names
	firsts   map[payment.ID]bool      // told to be no duplicate
	handed   map[payment.ID]time.Time // out to a processor
	refusals map[payment.Code]int
}

func newClusterTrial(t *testing.T) *clusterTrial {
	t.Helper()
	c := &clusterTrial{
		cluster: localtest.Cluster(t),
		start:   time.Now().UTC().Truncate(time.Millisecond),
		told:    map[payment.ID]time.Time{}, firsts: map[payment.ID]bool{},
		handed: map[payment.ID]time.Time{}, refusals: map[payment.Code]int{},
	}
	durabilities := []Durability{JournalAndStream, StreamOnly}
	c.nodes = make([]*Buffer, len(durabilities))
	var opening sync.WaitGroup
	for i, durability := range durabilities {
		opening.Go(func() { c.nodes[i] = c.open(t, durability) }) // both are the first to start
	}
	opening.Wait()
	if t.Failed() {
		t.FailNow()
	}
	return c
}

// open opens one more node as the program does, nil if that fails.
func (c *clusterTrial) open(t *testing.T, durability Durability) *Buffer {
	b, err := Open(t.Context(), Config{
		URL: strings.Join(c.cluster.URLs(), ","), Replicas: 3, Shards: 3, StreamBytesMax: 64 << 20,
		Durability: durability, JournalDir: t.TempDir(),
		PutTimeout: 2 * time.Second, AckWait: 2 * time.Second,
	})
	if err != nil {
		t.Errorf("open: %v", err)
		return nil
	}
	t.Cleanup(b.Close)
	if err := b.Keys().CheckIDKey(t.Context(), testKey); err != nil {
		t.Errorf("check the id key: %v", err)
	}
	return b
}

// begin starts senders and processors. What it returns lets the senders finish,
// waits until all that was accepted was handed out, and ends.
func (c *clusterTrial) begin(t *testing.T) (finish func()) {
	t.Helper()
	sending, stopSending := context.WithCancel(t.Context())
	working, stopWorking := context.WithCancel(t.Context())
	var senders, workers sync.WaitGroup
	for i := range clusterSenders {
		senders.Go(func() { c.send(sending, t, rand.New(rand.NewPCG(uint64(i), 0))) })
	}
	for i := range c.nodes[0].Shards() {
		workers.Go(func() { c.work(working, c.nodes[i%len(c.nodes)].Shards()[i]) })
	}
	t.Cleanup(func() { stopSending(); stopWorking(); senders.Wait(); workers.Wait() })
	return func() {
		t.Helper()
		stopSending()
		senders.Wait()
		waitFor(t, "everything accepted to be handed out", func() bool {
			c.mu.Lock()
			defer c.mu.Unlock()
			for id := range c.told {
				if _, handed := c.handed[id]; !handed {
					return false
				}
			}
			return true
		})
		stopWorking()
		workers.Wait()
	}
}

// send puts orders, and some again at the other node, until ctx ends.
func (c *clusterTrial) send(ctx context.Context, t *testing.T, random *rand.Rand) {
	for sent := 1; ctx.Err() == nil; sent++ {
		number, i := c.numbers.Add(1), random.IntN(len(c.nodes))
		c.submit(t, c.nodes[i], number)
		if sent%clusterRepeat == 0 {
			other := c.nodes[(i+1)%len(c.nodes)]
			c.submit(t, other, max(1, number-random.Int64N(clusterSenders)))
		}
	}
}

// submit puts one order as a client does: again after each refusal that says so.
func (c *clusterTrial) submit(t *testing.T, node *Buffer, number int64) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for {
		receipt, err := node.Put(ctx, c.order(t, number))
		if err == nil {
			c.note(t, receipt)
			return
		}
		code, _ := payment.CodeOf(err)
		c.mu.Lock()
		c.refusals[code]++
		c.mu.Unlock()
		again := code == payment.CodeBufferUnavailable || code == payment.CodeBufferFull
		if !again || ctx.Err() != nil {
			t.Errorf("put of order %d: %v", number, err)
			return
		}
	}
}

// order gives the order of that number. No two attempts have the same time of
// acceptance, so that it tells which one was stored.
func (c *clusterTrial) order(t *testing.T, number int64) payment.Request {
	request := order(t, fmt.Sprintf("A-%d", number), nil)
	request.AcceptedAt = c.start.Add(time.Duration(c.attempts.Add(1)) * time.Millisecond)
	return request
}

func (c *clusterTrial) note(t *testing.T, receipt payment.Receipt) {
	c.mu.Lock()
	defer c.mu.Unlock()
	id := receipt.First.ID
	if was, known := c.told[id]; known && !was.Equal(receipt.First.AcceptedAt) {
		t.Errorf("%s was accepted at %v, and at %v", receipt.First.OrderNumber, was, receipt.First.AcceptedAt)
	}
	c.told[id] = receipt.First.AcceptedAt
	if !receipt.Duplicate && c.firsts[id] {
		t.Errorf("%s was told to be the first twice", receipt.First.OrderNumber)
	}
	c.firsts[id] = c.firsts[id] || !receipt.Duplicate
}

// work takes payments out, as a processor does.
func (c *clusterTrial) work(ctx context.Context, shard *Shard) {
	for ctx.Err() == nil {
		deliveries, err := shard.Fetch(ctx, 100)
		if err != nil { // while there is no leader
			pause(ctx, refusedPause)
			continue
		}
		for _, d := range deliveries {
			c.mu.Lock()
			c.handed[d.Request.ID] = d.Request.AcceptedAt
			c.mu.Unlock()
			_ = d.Ack() // if that is lost, it comes again
		}
	}
}

// await waits for n further orders to be accepted.
func (c *clusterTrial) await(t *testing.T, n int) {
	t.Helper()
	accepted := func() int {
		c.mu.Lock()
		defer c.mu.Unlock()
		return len(c.told)
	}
	goal := accepted() + n
	waitFor(t, fmt.Sprintf("%d further orders to be accepted", n), func() bool { return accepted() >= goal })
}

// check compares what clients were told with what the streams hold and what was
// handed out.
func (c *clusterTrial) check(t *testing.T) {
	t.Helper()
	t.Logf("%d orders accepted, refused before: %v", len(c.told), c.refusals)
	stored := map[string]uint64{}
	for _, shard := range c.nodes[0].Shards() {
		info, err := shard.stream.Info(t.Context(), jetstream.WithSubjectFilter("paybuf.>"))
		if err != nil {
			t.Fatalf("stream: %v", err)
		}
		for subject, n := range info.State.Subjects {
			stored[subject] = n
			if n != 1 {
				t.Errorf("%s is stored %d times", subject, n)
			}
		}
	}
	if len(stored) != len(c.told) {
		t.Errorf("%d orders are stored, %d were accepted", len(stored), len(c.told))
	}
	for id, at := range c.told {
		if stored[c.nodes[0].shardOf(id).intakeSubject(id)] == 0 {
			t.Errorf("%s was accepted and is not stored", id)
		}
		if handed := c.handed[id]; !handed.Equal(at) {
			t.Errorf("%s was accepted at %v, and handed out as accepted at %v", id, at, handed)
		}
	}
}
