package buffer

import (
	"net"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"

	"github.com/paybuf/paybuf/internal/local"
	"github.com/paybuf/paybuf/payment"
)

// replaceable is an embedded server in whose place another can be put.
type replaceable struct{ current atomic.Pointer[local.NATS] }

func (r *replaceable) InProcessConn() (net.Conn, error) { return r.current.Load().InProcessConn() }

func (r *replaceable) start(t *testing.T, dir string) {
	t.Helper()
	server, err := local.StartNATS(t.Context(), local.NATSConfig{Dir: dir})
	if err != nil {
		t.Fatalf("nats: %v", err)
	}
	r.current.Store(server)
}

// A server that was started again and has lost everything, under a process that
// runs on, with a consumer that would wait for sequences long gone.
func TestResume_whatTheServerLostIsHandedOutWithoutARestartOfOurs(t *testing.T) {
	dir := t.TempDir()
	server := &replaceable{}
	server.start(t, dir)
	defer func() { server.current.Load().Stop() }()
	b := open(t, func(c *Config) { c.InProcess = server })
	shard := b.Shards()[0]
	claimed, waiting := orders(t, "claimed", 5), orders(t, "waiting", 10)
	putAll(t, b, claimed)
	for _, d := range fetchAll(t, shard, len(claimed)) {
		if err := d.Ack(); err != nil {
			t.Fatalf("ack: %v", err)
		}
	}
	putAll(t, b, waiting)

	server.current.Load().Stop()
	if err := os.RemoveAll(filepath.Join(dir, "jetstream")); err != nil {
		t.Fatal(err)
	}
	server.start(t, dir)

	// The ledger knows the first five; they come again and harm nobody.
	got := map[payment.ID]bool{}
	waitFor(t, "all to be handed out", func() bool {
		deliveries, err := shard.Fetch(t.Context(), 100)
		for _, d := range deliveries {
			got[d.Request.ID] = true
		}
		return err == nil && len(got) == len(claimed)+len(waiting)
	})
	waitFor(t, "new requests to be accepted", func() bool {
		_, err := b.Put(t.Context(), order(t, "new", nil))
		return err == nil
	})
}
