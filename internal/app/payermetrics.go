package app

import (
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/paybuf/paybuf/processor"
)

var (
	breakerStateDesc = desc("payer_breaker_state", "1 for the state of the payer's circuit breaker, 0 for the others.", "state")
	pausedDesc       = desc("payer_paused_seconds", "How long the payer has been taken for down; 0 if it is not.")
	limitDesc        = desc("payer_concurrency_limit", "Calls of the payer that may run at once now.")
	latencyDesc      = desc("payer_latency_seconds", "Time of the payer's recent calls; absent if there were too few.", "quantile")
	rateDesc         = desc("payer_rate_limit", "Calls of the payer that may begin in a second, if there is such a limit.")
	placesDesc       = desc("processor_places", "Payments that may be taken on at once now.")
	leasesShortDesc  = desc("processor_leases_short_total", "Payments given back without a call since their lease was about to end.")
)

func describePayer(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		breakerStateDesc, pausedDesc, limitDesc, latencyDesc, rateDesc, placesDesc, leasesShortDesc,
	} {
		to <- d
	}
}

// collectPayer is the part of the processor's metrics that is about the payer.
func collectPayer(to chan<- prometheus.Metric, stats processor.Stats) {
	gauge := func(d *prometheus.Desc, value float64, labels ...string) {
		to <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, labels...)
	}
	for _, state := range []string{"closed", "half-open", "open"} {
		is := 0.0
		if state == stats.BreakerState {
			is = 1
		}
		gauge(breakerStateDesc, is, state)
	}
	gauge(pausedDesc, stats.PausedFor.Seconds())
	gauge(limitDesc, float64(stats.Limit))
	if stats.LatencyP99 > 0 {
		gauge(latencyDesc, stats.LatencyP50.Seconds(), "0.5")
		gauge(latencyDesc, stats.LatencyP99.Seconds(), "0.99")
	}
	if stats.CallsPerSecond > 0 {
		gauge(rateDesc, stats.CallsPerSecond)
	}
	gauge(placesDesc, float64(stats.Places))
	to <- prometheus.MustNewConstMetric(leasesShortDesc, prometheus.CounterValue, float64(stats.LeasesShort))
}

// payerStatus is for operators who ask whether the processor is ready. A payer
// that is down does not make it unready: it has nothing else to call, and goes on
// by itself.
func payerStatus(stats processor.PayerStats) string {
	const unit = 100 * time.Millisecond
	if stats.PausedFor == 0 {
		return "ok"
	}
	since := stats.PausedFor.Round(unit)
	if stats.NextProbeIn > 0 {
		return fmt.Sprintf("paused for %s, next probe in %s; payments wait", since, stats.NextProbeIn.Round(unit))
	}
	return fmt.Sprintf("paused for %s, being probed; payments wait", since)
}
