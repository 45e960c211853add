package local

import (
	"context"
	"errors"
	"fmt"

	"github.com/nats-io/nats-server/v2/server"
)

var errNotRunning = errors.New("the embedded NATS server does not run")

// Restart stops the server and starts another on the same store, at the same
// address. A store that could once not write never does again before that.
// Clients see a connection that is lost and comes back. After an error there is
// no server; the next Restart tries again. It must not be called beside itself
// or Stop.
func (n *NATS) Restart(ctx context.Context) error {
	halt(n.become(nil))
	srv, err := runNATS(ctx, n.opts.Clone(), &natsLogger{log: n.log})
	if err != nil {
		return fmt.Errorf("start NATS in %s again: %w", n.opts.StoreDir, err)
	}
	n.become(srv)
	return nil
}

// become changes the current server and gives the one before.
func (n *NATS) become(next *server.Server) (before *server.Server) {
	n.mu.Lock()
	defer n.mu.Unlock()
	before, n.server = n.server, next
	return before
}

// halt stops a server, if it is one.
func halt(srv *server.Server) {
	if srv != nil {
		srv.Shutdown()
		srv.WaitForShutdown()
	}
}

// HasRoom tells whether the file system of the store has enough left for a server
// to be started on it and to go on for a while.
func (n *NATS) HasRoom() bool {
	free, all, err := fileSystem(n.opts.StoreDir)
	return err != nil || free >= min(roomBytesMin, all/roomPartMin)
}

const (
	roomBytesMin = 64 << 20 // or, of a small file system,
	roomPartMin  = 10       // a tenth
)
