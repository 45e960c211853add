package app

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/paybuf/paybuf/internal/sealed"
	"github.com/paybuf/paybuf/payment"
	"github.com/paybuf/paybuf/status/endpoint"
)

const (
	// resealRetry is how long to wait for a database that does not answer.
	resealRetry   = 5 * time.Second
	resealTimeout = time.Minute
)

var errResealSlow = errors.New("sealing webhook secrets anew took too long")

// WebhookKeysVariable is where `serve` finds the keys that webhooks' secrets are sealed
// with. It is no flag, since flags are shown by ps.
const WebhookKeysVariable = "PAYBUF_WEBHOOK_KEYS"

// NewWebhookKey draws a key and gives it as SetWebhookKeys reads it.
func NewWebhookKey(id string) (string, error) { return sealed.NewKey(id) }

// SetWebhookKeys reads the keys that webhooks' secrets are sealed with: "id:BASE64,..."
// of which the first seals. An empty text is that of the secrets file, if there is one.
func (o *Options) SetWebhookKeys(text string) (err error) {
	if text == "" {
		text = o.Secrets.WebhookKeys
	}
	o.WebhookKeys, err = sealed.ParseKeys(text)
	return err
}

// startResealing seals anew what older keys have sealed, once, so that they can be
// dropped when the last process has started.
func (a *App) startResealing(context.Context) error {
	if !a.opts.has(RoleStatus) || a.opts.WebhookKeys.Current() == "" {
		return nil
	}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		for !a.reseal(ctx) {
			select {
			case <-ctx.Done():
				return
			case <-time.After(resealRetry):
			}
		}
	})
	a.onStop("resealing", func(context.Context) { cancel(); wg.Wait() })
	return nil
}

// reseal tells whether there is nothing more to try.
func (a *App) reseal(ctx context.Context) bool {
	ctx, cancel := context.WithTimeoutCause(ctx, resealTimeout, errResealSlow)
	defer cancel()
	resealed, err := endpoint.Reseal(ctx, a.db, a.opts.WebhookKeys)
	if resealed > 0 {
		a.log.Info("webhook secrets are sealed with the current key",
			slog.Int("resealed", resealed), slog.String("key", a.opts.WebhookKeys.Current()))
	}
	if err == nil {
		return true
	}
	if code, _ := payment.CodeOf(err); code == payment.CodeUnavailable {
		return false
	}
	a.log.Error("webhook secrets could not be opened; their owners must rotate them if the key is lost", slog.Any("error", err))
	return true
}
