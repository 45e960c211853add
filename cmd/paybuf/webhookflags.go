package main

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/spf13/pflag"

	"github.com/paybuf/paybuf/internal/app"
)

// webhookFlags are how the role webhook sends.
type webhookFlags struct {
	allow []string
}

func (f *webhookFlags) add(flags *pflag.FlagSet, o *app.Options) {
	w := &o.Webhook
	w.Version = version
	flags.StringSliceVar(&f.allow, "webhook-allow", nil, "networks of your own that webhooks may be sent to, such as 10.2.0.0/16")
	flags.BoolVar(&w.Targets.Insecure, "webhook-insecure", false, "webhooks may be sent to http URLs and to this machine, for trials (dev: always)")
	flags.IntVar(&w.Concurrency, "webhook-concurrency", 256, "requests to webhook endpoints at once")
	flags.IntVar(&w.EndpointConcurrency, "webhook-endpoint-concurrency", 16, "the same for one endpoint, at most; fewer while it is slow")
	flags.DurationVar(&w.Timeout, "webhook-timeout", 15*time.Second, "deadline of one request to an endpoint, with its answer")
	flags.DurationSliceVar(&w.Schedule, "webhook-schedule", app.DefaultWebhookSchedule(), "pauses before the tries of a delivery")
	flags.DurationVar(&w.DisableAfter, "webhook-disable-after", 5*24*time.Hour, "time without a success after which an endpoint that fails is disabled")
	flags.DurationVar(&w.Lease, "webhook-lease", 15*time.Second, "time after which another process sends for one that was killed; at least 3s")
	flags.DurationVar(&w.Keep, "webhook-keep", 30*24*time.Hour, "how long deliveries that have ended are kept")
}

// read fills in what needs reading.
func (f *webhookFlags) read(o *app.Options) error {
	o.Webhook.Targets.Allow = nil
	for _, text := range f.allow {
		prefix, err := netip.ParsePrefix(text)
		if err != nil {
			return usageError{fmt.Errorf("--webhook-allow: %q is no network; it is written like 10.2.0.0/16", text)}
		}
		o.Webhook.Targets.Allow = append(o.Webhook.Targets.Allow, prefix.Masked())
	}
	return nil
}
