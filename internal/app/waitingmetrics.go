package app

import "github.com/prometheus/client_golang/prometheus"

var (
	announcedDesc = desc("announcements_total",
		"Changes of payments that were announced, heard, or dropped for want of a connection.", "result")
	missedDesc    = desc("announcements_missed_messages_total", "Messages with changes that came faster than they were handled, or could not be read.")
	waitersDesc   = desc("waiters", "Requests that wait for a payment to change.")
	parkedDesc    = desc("parked_connections", "Connections of these that the HTTP server does not hold meanwhile.")
	refusedWaits  = desc("waits_refused_total", "Requests that found no place to wait and were answered at once.")
	givenDesc     = desc("waiters_woken_total", "Requests that were given what they had waited for.")
	looksDesc     = desc("waiters_slow_reads_total", "Payments read for who waits without an announcement.")
	waitReadsDesc = desc("waiters_statements_total", "Statements that read payments for who waits.")
	finalsDesc    = desc("final_payments_cached", "Final payments whose answer is remembered.")
	finalsBytes   = desc("final_payments_cached_bytes", "Bytes of these.")
	finalsUse     = desc("final_payments_cache_total", "Questions about payments, by whether a remembered answer was there.", "result")
)

// announcementCollector reads how announcing goes.
type announcementCollector struct{ app *App }

func (announcementCollector) Describe(to chan<- *prometheus.Desc) {
	to <- announcedDesc
	to <- missedDesc
}

func (c announcementCollector) Collect(to chan<- prometheus.Metric) {
	counts := c.app.buffer.Announcements()
	counter := func(d *prometheus.Desc, value int64, labels ...string) {
		to <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(value), labels...)
	}
	counter(announcedDesc, counts.Sent, "sent")
	counter(announcedDesc, counts.Heard, "heard")
	counter(announcedDesc, counts.Dropped, "dropped")
	counter(missedDesc, counts.MissedMessages)
}

// waitingCollector reads who waits, and what is remembered.
type waitingCollector struct{ app *App }

func (waitingCollector) Describe(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		waitersDesc, parkedDesc, refusedWaits, givenDesc, looksDesc, waitReadsDesc, finalsDesc, finalsBytes, finalsUse,
	} {
		to <- d
	}
}

func (c waitingCollector) Collect(to chan<- prometheus.Metric) {
	send := func(d *prometheus.Desc, kind prometheus.ValueType, value int64, labels ...string) {
		to <- prometheus.MustNewConstMetric(d, kind, float64(value), labels...)
	}
	hub, finals := c.app.hub.Stats(), c.app.finals.Stats()
	send(waitersDesc, prometheus.GaugeValue, int64(hub.Waiters))
	send(parkedDesc, prometheus.GaugeValue, int64(c.app.lot.Stats().Connections))
	send(refusedWaits, prometheus.CounterValue, hub.Refused)
	send(givenDesc, prometheus.CounterValue, hub.Given)
	send(looksDesc, prometheus.CounterValue, hub.Looks)
	send(waitReadsDesc, prometheus.CounterValue, hub.Statements)
	send(finalsDesc, prometheus.GaugeValue, int64(finals.Payments))
	send(finalsBytes, prometheus.GaugeValue, int64(finals.Bytes))
	send(finalsUse, prometheus.CounterValue, finals.Hits, "hit")
	send(finalsUse, prometheus.CounterValue, finals.Misses, "miss")
}
