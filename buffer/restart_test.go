package buffer

import (
	"testing"
	"time"

	"github.com/paybuf/paybuf/internal/local"
)

// restart starts a JetStream on dir and a buffer on it; stop ends both.
func restart(t *testing.T, dir string) (b *Buffer, stop func()) {
	t.Helper()
	server, err := local.StartNATS(t.Context(), local.NATSConfig{Dir: dir, SyncAlways: true})
	if err != nil {
		t.Fatalf("nats: %v", err)
	}
	b, err = Open(t.Context(), Config{
		InProcess: server.InProcess(), StreamBytesMax: 64 << 20, AckWait: time.Second, Durability: StreamOnly,
	})
	if err != nil {
		server.Stop()
		t.Fatalf("open: %v", err)
	}
	return b, func() { b.Close(); server.Stop() }
}

func TestRestart_acknowledgedIdsAreStillKnown(t *testing.T) {
	dir := t.TempDir()
	b, stop := restart(t, dir)
	claimed, waiting := order(t, "A-1", nil), order(t, "A-2", nil)
	put(t, b, claimed)
	put(t, b, waiting)
	deliveries := fetchAll(t, b.Shards()[0], 2)
	if err := deliveries[0].Ack(); err != nil {
		t.Fatalf("ack: %v", err)
	}
	stop()

	b, stop = restart(t, dir)
	defer stop()
	for _, request := range []string{"A-1", "A-2"} {
		if receipt := put(t, b, order(t, request, nil)); !receipt.Duplicate {
			t.Errorf("the repetition of %s is taken for a first request after a restart", request)
		}
	}
	// Only the one without an acknowledgement may come again.
	if got := fetchAll(t, b.Shards()[0], 1)[0]; got.Request.ID != waiting.ID {
		t.Errorf("%s came again, want %s", got.Request.OrderNumber, waiting.OrderNumber)
	}
}
