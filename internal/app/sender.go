package app

import (
	"cmp"
	"context"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/paybuf/paybuf/payment"
	"github.com/paybuf/paybuf/status/webhook"
)

// startSender starts the role webhook, last of all: where clients are served must be
// known, since each webhook names it.
func (a *App) startSender(context.Context) error {
	if !a.opts.has(RoleWebhook) {
		return nil
	}
	log := a.log.With(slog.String("part", "webhook"))
	cfg := a.opts.Webhook
	cfg.Logger = log
	cfg.PublicURL = strings.TrimSuffix(cmp.Or(a.opts.PublicURL, a.URL()), "/")
	cfg.Delivered = func(sinceEvent time.Duration) { a.metrics.webhookDelay.Observe(sinceEvent.Seconds()) }
	sender, err := webhook.New(a.db, a.db, a.opts.WebhookKeys, cfg)
	if err != nil {
		return configError(err.Error())
	}
	deaf, err := a.buffer.Changes(func([]payment.Change) { sender.Wake() })
	if err != nil {
		return err
	}
	a.sender.Store(sender)
	running, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { sender.Run(running) })
	a.onStop("webhook sender", func(context.Context) { deaf(); cancel(); wg.Wait() })
	return nil
}

// DefaultWebhookSchedule gives the pauses before the tries of a delivery.
func DefaultWebhookSchedule() []time.Duration { return webhook.DefaultSchedule() }

// checkSender finds what the role webhook lacks.
func (o Options) checkSender() error {
	switch {
	case !o.has(RoleWebhook):
		return nil
	case o.WebhookKeys.Current() == "":
		return configError("the role webhook needs the keys that webhooks' secrets are sealed with, in PAYBUF_WEBHOOK_KEYS; " +
			"`paybuf secrets webhook-key` makes one")
	case o.PublicURL == "" && !o.servesClients():
		return configError("the role webhook needs --public-url URL, which stands before the paths of status URLs, " +
			"if the process does not serve clients itself")
	}
	if err := o.Webhook.Check(); err != nil {
		return configError(err.Error())
	}
	return nil
}
