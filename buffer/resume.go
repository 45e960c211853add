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
				b.unsettled.Store(true)
			case status == nats.CONNECTED && !lost.IsZero():
				b.recheck(ctx)
				b.audit.resume(b.endBefore(ctx, lost))
				b.unsettled.Store(false)
				lost = time.Time{}
			}
		}
	}
}

// endBefore is where the streams end now, before anything new is stored, or a moment
// if that is earlier or they do not tell. A stream that could not write has lost what
// came long before its connection.
func (b *Buffer) endBefore(ctx context.Context, moment time.Time) time.Time {
	if end, err := b.streamEnd(ctx); err == nil && end.Before(moment) {
		return end
	}
	return moment
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
