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

// recheck tries until all is there that a start would see to.
func (b *Buffer) recheck(ctx context.Context) {
	for _, shard := range b.shards {
		for ctx.Err() == nil && b.nc.IsConnected() {
			err := shard.recheck(ctx)
			if err == nil {
				break
			}
			shard.log.Warn("check the stream after a reconnection", slog.Any("error", err))
			if isCoded(err) {
				break // somebody changed it, and it works as it is
			}
			pause(ctx, gaugeInterval)
		}
	}
}

// recheck makes the stream and the consumer again if they are gone, and the
// consumer if it is ahead. Those who hold them go on: both are known by name.
func (s *Shard) recheck(ctx context.Context) error {
	again := &Shard{cfg: s.cfg, log: s.log, js: s.js, name: s.name, number: s.number}
	if err := again.ensureStream(ctx); err != nil {
		return err
	}
	return again.ensureConsumer(ctx)
}
