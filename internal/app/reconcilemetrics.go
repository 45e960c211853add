package app

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/paybuf/paybuf/payment"
)

var (
	discrepanciesDesc = desc("reconcile_discrepancies", "Differences between statements and our rows that nobody has resolved.", "kind")
	reconciledDesc    = desc("reconcile_last_success_timestamp_seconds", "When a statement was last compared to its end, in unix seconds; 0 if never.")
	settledDesc       = desc("reconcile_settled_total", "Payments whose unknown outcome a statement settled.")
	reconcileFailDesc = desc("reconcile_failures_total", "Statements that could not be fetched, read or compared.")
)

// reconcileCollector reads how reconciliation stands.
type reconcileCollector struct{ app *App }

func (reconcileCollector) Describe(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{discrepanciesDesc, reconciledDesc, settledDesc, reconcileFailDesc} {
		to <- d
	}
}

func (c reconcileCollector) Collect(to chan<- prometheus.Metric) {
	stats := c.app.reconciler.Stats()
	for _, kind := range payment.DiscrepancyKinds() {
		to <- prometheus.MustNewConstMetric(discrepanciesDesc, prometheus.GaugeValue, float64(stats.Open[kind]), string(kind))
	}
	last := 0.0
	if !stats.LastSuccess.IsZero() {
		last = float64(stats.LastSuccess.UnixMilli()) / 1000
	}
	to <- prometheus.MustNewConstMetric(reconciledDesc, prometheus.GaugeValue, last)
	to <- prometheus.MustNewConstMetric(settledDesc, prometheus.CounterValue, float64(stats.Settled))
	to <- prometheus.MustNewConstMetric(reconcileFailDesc, prometheus.CounterValue, float64(stats.Failures))
}
