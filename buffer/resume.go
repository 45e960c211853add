package buffer

import (
	"context"
	"log/slog"
	"time"

	"github.com/nats-io/nats.go"
)

// resume does after each loss of the connection what a start does: the server
// may have been started again, and a stream that lost its tail gives sequences
// out again.
func (b *Buffer) resume(ctx context.Context) {
	changes := b.nc.StatusChanged(nats.RECONNECTING, nats.CONNECTED)
	defer b.nc.RemoveStatusListener(changes)
	var lost time.Time
	for {
		select {
		case <-ctx.Done():
			return
		case status := <-changes:
			switch {
			case status == nats.RECONNECTING && lost.IsZero():
				lost = time.Now()
			case status == nats.CONNECTED && !lost.IsZero():
				b.recheck(ctx)
				b.audit.resume(lost)
				lost = time.Time{}
			}
		}
	}
}

// recheck tries until every consumer is known to be at most as far as its stream.
func (b *Buffer) recheck(ctx context.Context) {
	for _, shard := range b.shards {
		for ctx.Err() == nil && b.nc.IsConnected() {
			err := shard.recheckConsumer(ctx)
			if err == nil {
				break
			}
			shard.log.Warn("check the consumer after a reconnection; trying on", slog.Any("error", err))
			pause(ctx, gaugeInterval)
		}
	}
}
