package local

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

const (
	natsNodesDefault = 3
	natsNodesMax     = 7
	// natsElectTimeout allows for several elections, each of which may take the
	// servers nine seconds.
	natsElectTimeout = 60 * time.Second
)

// NATSClusterConfig says where and how to run a cluster of NATS servers in this
// process.
type NATSClusterConfig struct {
	// Dir gets a directory per server, node-0 and so on. It is made if missing.
	Dir string
	// Nodes is the number of servers, at most 7; 0 means 3.
	Nodes int
	// SyncAlways and MaxFileBytes are those of each server, see NATSConfig.
	SyncAlways   bool
	MaxFileBytes int64
	// Logger hears of the servers' warnings and errors; nil means slog.Default.
	Logger *slog.Logger
}

// NATSCluster is a JetStream cluster whose servers all run in this process and
// listen on loopback. It shows what losing a server does to those who use the
// others; it protects nothing, since one process and one machine hold it all.
type NATSCluster struct {
	cfg     NATSClusterConfig
	routes  []string // host:port, by node
	clients []int    // ports, by node, the same after a restart

	mu    sync.Mutex
	nodes []*NATS // nil where stopped
}

// StartNATSCluster starts the servers with what they held before, and returns
// once they have chosen a leader and agree on what it knows.
func StartNATSCluster(ctx context.Context, cfg NATSClusterConfig) (*NATSCluster, error) {
	if cfg.Nodes == 0 {
		cfg.Nodes = natsNodesDefault
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.Default()
	}
	if cfg.Dir == "" || cfg.Nodes < 1 || cfg.Nodes > natsNodesMax {
		return nil, fmt.Errorf("start a NATS cluster: %d nodes in %q; give 1 to %d and a directory", cfg.Nodes, cfg.Dir, natsNodesMax)
	}
	if err := mkdirExact(cfg.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("start a NATS cluster: make its directory: %w", err)
	}
	ports, err := freePorts(ctx, 2*cfg.Nodes)
	if err != nil {
		return nil, fmt.Errorf("start a NATS cluster: %w", err)
	}
	c := &NATSCluster{cfg: cfg, clients: ports[:cfg.Nodes], nodes: make([]*NATS, cfg.Nodes)}
	for _, port := range ports[cfg.Nodes:] {
		c.routes = append(c.routes, loopbackPort(port))
	}
	if err := c.start(ctx); err != nil {
		c.Stop()
		return nil, err
	}
	return c, nil
}

func (c *NATSCluster) start(ctx context.Context) error {
	for i := range c.nodes {
		if err := c.open(ctx, i); err != nil {
			return err
		}
	}
	return c.awaitAgreement(ctx)
}

// URLs gives where the servers listen, also those that are stopped.
func (c *NATSCluster) URLs() []string {
	var urls []string
	for _, port := range c.clients {
		urls = append(urls, "nats://"+loopbackPort(port))
	}
	return urls
}

// StopNode stops one server the polite way: it hands its leaderships over and
// writes everything out. One that is stopped stays so.
func (c *NATSCluster) StopNode(i int) {
	c.mu.Lock()
	node := c.nodes[i]
	c.nodes[i] = nil
	c.mu.Unlock()
	if node != nil {
		node.Stop()
	}
}

// StartNode starts a stopped server again, on its ports and with its store. If a
// majority runs then, it returns once that has a leader and each server knows
// what it knows; streams may still be catching up.
func (c *NATSCluster) StartNode(ctx context.Context, i int) error {
	if c.node(i) != nil {
		return fmt.Errorf("start NATS node %d: it runs", i)
	}
	if err := c.open(ctx, i); err != nil {
		return err
	}
	if 2*len(c.running()) <= c.cfg.Nodes {
		return nil
	}
	return c.awaitAgreement(ctx)
}

// Leader tells which server leads a stream, -1 if none does at the moment.
func (c *NATSCluster) Leader(stream string) int {
	for i := range c.cfg.Nodes {
		if node := c.node(i); node != nil && node.current().JetStreamIsStreamLeader(server.DEFAULT_GLOBAL_ACCOUNT, stream) {
			return i
		}
	}
	return -1
}

// Stop stops all servers.
func (c *NATSCluster) Stop() {
	for i := range c.nodes {
		c.StopNode(i)
	}
}

func (c *NATSCluster) node(i int) *NATS {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.nodes[i]
}

func (c *NATSCluster) running() []*NATS {
	c.mu.Lock()
	defer c.mu.Unlock()
	var nodes []*NATS
	for _, node := range c.nodes {
		if node != nil {
			nodes = append(nodes, node)
		}
	}
	return nodes
}

// open starts server i; it need not have found the others when this returns.
func (c *NATSCluster) open(ctx context.Context, i int) error {
	node, err := StartNATSNode(ctx, NATSNodeConfig{
		NATSConfig: NATSConfig{
			Dir:          filepath.Join(c.cfg.Dir, fmt.Sprintf("node-%d", i)),
			SyncAlways:   c.cfg.SyncAlways,
			MaxFileBytes: c.cfg.MaxFileBytes,
			Listen:       loopbackPort(c.clients[i]),
			Logger:       c.cfg.Logger.With(slog.Int("node", i)),
		},
		Node: i, Routes: c.routes,
	})
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.nodes[i] = node
	return nil
}

// awaitAgreement waits until one of the running servers leads and all of them
// are as far as it is.
func (c *NATSCluster) awaitAgreement(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, natsElectTimeout, errors.New("the NATS servers did not agree within "+natsElectTimeout.String()))
	defer cancel()
	return poll(ctx, readyPoll, func() (bool, error) { return c.agree() })
}

func (c *NATSCluster) agree() (bool, error) {
	running := c.running()
	leader := -1
	for i, node := range running {
		if node.current().JetStreamIsLeader() {
			leader = i
		}
	}
	if leader < 0 {
		return false, nil
	}
	seen, err := running[leader].meta()
	if err != nil || seen == nil {
		return false, err
	}
	current := 1 // itself
	for _, peer := range seen.Replicas {
		if peer.Current && !peer.Offline {
			current++
		}
	}
	for _, node := range running {
		followed, err := node.meta()
		if err != nil || followed == nil || followed.Leader != seen.Leader {
			return false, err
		}
	}
	return current == len(running), nil
}

// meta is what a server says about the group that keeps the cluster's streams
// and consumers; nil if it has not joined it yet.
func (n *NATS) meta() (*server.MetaClusterInfo, error) {
	info, err := n.current().Jsz(&server.JSzOptions{})
	if err != nil {
		return nil, fmt.Errorf("ask the server about its cluster: %w", err)
	}
	return info.Meta, nil
}

// freePorts finds ports on which nobody listens. They are given back before they
// are used, since each server must be told of all before the first one starts.
func freePorts(ctx context.Context, n int) (ports []int, err error) {
	var listen net.ListenConfig
	for range n {
		l, err := listen.Listen(ctx, "tcp", loopbackPort(0))
		if err != nil {
			return nil, fmt.Errorf("find a free port: %w", err)
		}
		defer func() { err = errors.Join(err, l.Close()) }()
		ports = append(ports, l.Addr().(*net.TCPAddr).Port)
	}
	return ports, nil
}

func loopbackPort(port int) string { return net.JoinHostPort(loopback, strconv.Itoa(port)) }
