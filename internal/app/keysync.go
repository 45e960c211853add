package app

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/paybuf/paybuf/payment"
)

const (
	keySyncInterval = 5 * time.Second
	keySyncTimeout  = 10 * time.Second
	keyPoll         = 5 * time.Millisecond
)

var errKeySyncSlow = errors.New("copying the API keys took too long")

// startKeySync copies the API keys from Postgres to where intake reads them. The
// command that changes a key does the same at once; this repairs what such a
// command left half done, and a bucket that was lost.
func (a *App) startKeySync(context.Context) error {
	if a.db == nil {
		return nil
	}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { a.keySyncLoop(ctx) })
	a.onStop("key sync", func(context.Context) { cancel(); wg.Wait() })
	return nil
}

func (a *App) keySyncLoop(ctx context.Context) {
	ticker := time.NewTicker(cmp.Or(a.opts.KeySync, keySyncInterval))
	defer ticker.Stop()
	for {
		if err := a.syncKeys(ctx); err != nil && ctx.Err() == nil {
			a.log.Warn("API keys were not copied to intake", slog.Any("error", err))
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

func (a *App) syncKeys(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, keySyncTimeout, errKeySyncSlow)
	defer cancel()
	const allTenants payment.TenantID = ""
	keys, err := a.db.Keys(ctx, allTenants)
	if err != nil {
		return errPart("read API keys", err)
	}
	return a.buffer.Keys().Replace(ctx, keys)
}

// awaitKey waits until intake knows a key that was copied to it.
func (a *App) awaitKey(ctx context.Context, id string) error {
	for {
		if _, known := a.buffer.Keys().Key(id); known {
			return nil
		}
		select {
		case <-ctx.Done():
			return errPart("wait for the API keys", context.Cause(ctx))
		case <-time.After(keyPoll):
		}
	}
}
