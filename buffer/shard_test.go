package buffer

import (
	"testing"

	"github.com/paybuf/paybuf/internal/local/localtest"
)

// A process that starts while others work sees the stream a moment before it sees
// the consumer, which by then may have come further.
func TestOpen_besideOthersAtWorkLeavesTheConsumerAlone(t *testing.T) {
	cfg := Config{InProcess: localtest.NATS(t).InProcess(), StreamBytesMax: 64 << 20, Durability: StreamOnly}
	b, err := Open(t.Context(), cfg)
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	defer b.Close()
	working := b.Shards()[0]
	starting := &Shard{cfg: working.cfg, log: working.log, js: b.js, number: "0", name: working.name}
	if err := starting.ensureStream(t.Context()); err != nil {
		t.Fatalf("stream: %v", err)
	}
	putAll(t, b, orders(t, "A", 5))
	for _, d := range fetchAll(t, working, 5) {
		if err := d.Ack(); err != nil {
			t.Fatalf("ack: %v", err)
		}
	}
	waitFor(t, "the acks to arrive", func() bool {
		info, err := working.consumer.Info(t.Context())
		return err == nil && info.AckFloor.Stream == 5
	})
	if err := starting.ensureConsumer(t.Context()); err != nil {
		t.Fatalf("consumer: %v", err)
	}
	info, err := working.consumer.Info(t.Context())
	if err != nil {
		t.Fatalf("consumer: %v", err)
	}
	if info.AckFloor.Stream != 5 {
		t.Errorf("the floor is %d, want 5: all payments are handed out again", info.AckFloor.Stream)
	}
}
