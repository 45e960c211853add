package app

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/paybuf/paybuf/buffer"
	"github.com/paybuf/paybuf/internal/local"
)

const (
	storeLook = time.Second
	// storePause is between two restarts of the server, if the first did not help.
	storePause = 10 * time.Second
)

// natsKeeper starts dev's JetStream again when it could not write, as soon as its
// disk has room: by itself it never writes again. Meanwhile payments are refused.
type natsKeeper struct {
	server *local.NATS
	buffer *buffer.Buffer
	log    *slog.Logger
	cancel context.CancelFunc
	wg     sync.WaitGroup
}

func keepNATS(server *local.NATS, b *buffer.Buffer, log *slog.Logger) *natsKeeper {
	ctx, cancel := context.WithCancel(context.Background())
	k := &natsKeeper{server: server, buffer: b, log: log, cancel: cancel}
	k.wg.Go(func() { k.run(ctx) })
	return k
}

func (k *natsKeeper) run(ctx context.Context) {
	wait := storeLook
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
		wait = storeLook
		if len(k.buffer.Pressure().StreamsFailed) == 0 || !k.server.HasRoom() {
			continue
		}
		k.log.Warn("JetStream could not write and its disk has room; starting it again")
		if err := k.server.Restart(ctx); err != nil && ctx.Err() == nil {
			k.log.Error("start JetStream", slog.Any("error", err))
			continue
		}
		wait = storePause
	}
}

func (k *natsKeeper) stop(context.Context) {
	k.cancel()
	k.wg.Wait()
}
