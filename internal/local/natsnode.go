package local

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strconv"

	"github.com/nats-io/nats-server/v2/server"
)

// natsClusterName is that of each cluster of ours; no two of them share a route.
const natsClusterName = "paybuf"

// NATSNodeConfig says how to run one server of a JetStream cluster. Its Dir and
// its Listen are the node's own, the same at each start.
type NATSNodeConfig struct {
	NATSConfig
	// Node is which of Routes is this server's.
	Node int
	// Routes are the loopback addresses, host:port, at which the servers of the
	// cluster hear of each other, in the same order for all of them.
	Routes []string
}

// StartNATSNode starts one server of a cluster, whose others may run in this
// process or in others. It need not have found them when this returns, and
// serves JetStream once a majority has. Errors are those of StartNATS.
func StartNATSNode(ctx context.Context, cfg NATSNodeConfig) (*NATS, error) {
	if cfg.Node < 0 || cfg.Node >= len(cfg.Routes) || len(cfg.Routes) > natsNodesMax {
		return nil, fmt.Errorf("start NATS node %d: there are %d routes", cfg.Node, len(cfg.Routes))
	}
	if cfg.Dir == "" || cfg.Listen == "" {
		return nil, errors.New("start a NATS node: no directory or no listen address given")
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.Default()
	}
	opts, err := natsOptions(cfg.NATSConfig)
	if err != nil {
		return nil, fmt.Errorf("start NATS node %d: %w", cfg.Node, err)
	}
	opts.ServerName += "-" + strconv.Itoa(cfg.Node)
	opts.Cluster = server.ClusterOpts{Name: natsClusterName}
	if opts.Cluster.Host, opts.Cluster.Port, err = parseListen(cfg.Routes[cfg.Node]); err != nil {
		return nil, fmt.Errorf("start NATS node %d: %w", cfg.Node, err)
	}
	// Its own too: the server skips that, and learns from all how many there are.
	for _, route := range cfg.Routes {
		opts.Routes = append(opts.Routes, &url.URL{Scheme: "nats", Host: route})
	}
	return openNATS(ctx, opts, cfg.Logger)
}
