package app

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/paybuf/paybuf/status/webhook"
)

var (
	webhookAttemptsDesc = desc("webhook_attempts_total", "Requests to webhook endpoints, by what came of them.", "result")
	webhookDeadDesc     = desc("webhook_dead_total", "Deliveries that were given up at the end of their schedule.")
	webhookErrorsDesc   = desc("webhook_outbox_errors_total", "Questions to the outbox, and writes, that failed.")
	webhookInFlightDesc = desc("webhook_in_flight", "Requests to webhook endpoints that are under way.")
	webhookHeldDesc     = desc("webhook_endpoints_held", "Endpoints that this process sends to.")
	webhookOpenDesc     = desc("webhook_endpoints_open", "Of them, those that are taken for down and only get probes.")
	webhookPausedDesc   = desc("webhook_endpoints_paused", "Of them, those that are not sent to just now.")
	webhookUnopenedDesc = desc("webhook_endpoints_unopened", "Of them, those whose secrets cannot be opened: their deliveries wait.")
	webhookQueuedDesc   = desc("webhook_queued", "Deliveries that were fetched and wait for their turn.")
	webhookResultsDesc  = desc("webhook_results_waiting", "Results of requests that are not written yet.")
)

func newWebhookDelay() prometheus.Histogram {
	return prometheus.NewHistogram(prometheus.HistogramOpts{
		Name:    "paybuf_webhook_delay_seconds",
		Help:    "Time from an event to its delivery.",
		Buckets: []float64{.01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 60, 300, 1800, 7200, 36000, 86400},
	})
}

// webhookCollector reads the sender's counts, once it is there.
type webhookCollector struct{ app *App }

func (webhookCollector) Describe(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		webhookAttemptsDesc, webhookDeadDesc, webhookErrorsDesc, webhookInFlightDesc, webhookHeldDesc, webhookOpenDesc,
		webhookPausedDesc, webhookUnopenedDesc, webhookQueuedDesc, webhookResultsDesc,
	} {
		to <- d
	}
}

func (c webhookCollector) Collect(to chan<- prometheus.Metric) {
	sender := c.app.sender.Load()
	if sender == nil {
		return
	}
	stats := sender.Stats()
	send := func(d *prometheus.Desc, kind prometheus.ValueType, value float64, labels ...string) {
		to <- prometheus.MustNewConstMetric(d, kind, value, labels...)
	}
	for _, result := range webhook.Results() {
		send(webhookAttemptsDesc, prometheus.CounterValue, float64(stats.Attempts[result]), string(result))
	}
	send(webhookDeadDesc, prometheus.CounterValue, float64(stats.Dead))
	send(webhookErrorsDesc, prometheus.CounterValue, float64(stats.OutboxErrors))
	for d, value := range map[*prometheus.Desc]int{
		webhookInFlightDesc: stats.InFlight, webhookHeldDesc: stats.Held, webhookOpenDesc: stats.Open,
		webhookPausedDesc: stats.Paused, webhookUnopenedDesc: stats.Unopened, webhookQueuedDesc: stats.Queued,
		webhookResultsDesc: stats.Results,
	} {
		send(d, prometheus.GaugeValue, float64(value))
	}
}
