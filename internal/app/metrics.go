package app

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/paybuf/paybuf/payment"
)

// metrics is what the process tells Prometheus. docs/operating.md says what each
// means and what to do.
type metrics struct {
	registry     *prometheus.Registry
	requests     *prometheus.HistogramVec
	batchItems   *prometheus.CounterVec
	webhookDelay prometheus.Histogram
}

func newMetrics(a *App) *metrics {
	m := &metrics{
		registry: prometheus.NewRegistry(),
		requests: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "paybuf_http_request_seconds",
			Help:    "Duration of requests by clients.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10},
		}, []string{"route", "method", "status"}),
		batchItems: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "paybuf_batch_items_total",
			Help: "Items of batches, by what they were answered.",
		}, []string{"result"}),
		webhookDelay: newWebhookDelay(),
	}
	m.registry.MustRegister(
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		m.requests,
		m.batchItems,
		bufferCollector{a},
		keyCollector{a},
		announcementCollector{a},
	)
	if a.hub != nil {
		m.registry.MustRegister(waitingCollector{a})
	}
	if a.processor != nil {
		m.registry.MustRegister(processorCollector{a}, reconcileCollector{a})
	}
	if a.opts.has(RoleStatus) {
		m.registry.MustRegister(&feedCollector{horizon: a.db.FeedHorizon})
	}
	if a.opts.has(RoleWebhook) {
		m.registry.MustRegister(webhookCollector{a}, m.webhookDelay)
	}
	if a.opts.has(RoleIngest) {
		m.registry.MustRegister(auditCollector{a}, pressureCollector{a})
	}
	return m
}

// countItems is for ingest, which tells the results.
func (m *metrics) countItems(result string, n int) {
	m.batchItems.WithLabelValues(result).Add(float64(n))
}

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("paybuf_"+name, help, labels, nil)
}

var (
	backlogDesc  = desc("buffer_backlog", "Payments accepted and not yet claimed.", "stream")
	messagesDesc = desc("buffer_messages", "Messages kept on the stream, claimed ones included.", "stream")
	bytesDesc    = desc("buffer_bytes", "Bytes kept on the stream.", "stream")
	bytesMaxDesc = desc("buffer_bytes_max", "Bytes at which the stream refuses payments.", "stream")
	countMaxDesc = desc("buffer_messages_max", "Messages at which the stream refuses payments, if there is such a limit.", "stream")
	drainDesc    = desc("buffer_drain_per_second", "Payments claimed per second, smoothed.", "stream")
	stalledDesc  = desc("buffer_stalled_seconds", "How long payments have waited with none claimed.", "stream")
)

// bufferCollector reads the buffer's own measurements when Prometheus asks.
type bufferCollector struct{ app *App }

func (bufferCollector) Describe(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{backlogDesc, messagesDesc, bytesDesc, bytesMaxDesc, countMaxDesc, drainDesc, stalledDesc} {
		to <- d
	}
}

func (c bufferCollector) Collect(to chan<- prometheus.Metric) {
	for _, shard := range c.app.buffer.Shards() {
		stats := shard.Stats()
		gauge := func(d *prometheus.Desc, value float64) {
			to <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, stats.Stream)
		}
		gauge(backlogDesc, float64(stats.Backlog))
		gauge(messagesDesc, float64(stats.Messages))
		gauge(bytesDesc, float64(stats.Bytes))
		gauge(bytesMaxDesc, float64(stats.BytesMax))
		if stats.MessagesMax > 0 {
			gauge(countMaxDesc, float64(stats.MessagesMax))
		}
		gauge(drainDesc, stats.DrainPerSecond)
		gauge(stalledDesc, stats.StalledFor.Seconds())
	}
}

var (
	keysDesc        = desc("idempotency_keys", "Idempotency keys kept.")
	keyBytesDesc    = desc("idempotency_key_bytes", "Bytes of the idempotency keys kept.")
	keyBytesMaxDesc = desc("idempotency_key_bytes_max", "Bytes at which requests with a new idempotency key are refused.")
)

// keyCollector reads how many idempotency keys there are.
type keyCollector struct{ app *App }

func (keyCollector) Describe(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{keysDesc, keyBytesDesc, keyBytesMaxDesc} {
		to <- d
	}
}

func (c keyCollector) Collect(to chan<- prometheus.Metric) {
	stats := c.app.buffer.IdempotencyKeys()
	gauge := func(d *prometheus.Desc, value float64) {
		to <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value)
	}
	gauge(keysDesc, float64(stats.Keys))
	gauge(keyBytesDesc, float64(stats.Bytes))
	gauge(keyBytesMaxDesc, float64(stats.BytesMax))
}

var (
	receiptsDesc      = desc("receipts_pending_audit", "Records of this node's journal that are not audited yet.")
	receiptBytesDesc  = desc("receipts_pending_audit_bytes", "Bytes of this node's journal that are not audited yet.")
	receiptAgeDesc    = desc("receipts_oldest_seconds", "Age of the oldest segment of the journal.")
	repairsDesc       = desc("receipts_repaired_total", "Accepted payments that the stream had lost and that were published again.")
	auditFailuresDesc = desc("receipts_audit_failures_total", "Audits of the journal that could not be finished.")
)

// auditCollector reads how the journal stands.
type auditCollector struct{ app *App }

func (auditCollector) Describe(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{receiptsDesc, receiptBytesDesc, receiptAgeDesc, repairsDesc, auditFailuresDesc} {
		to <- d
	}
}

func (c auditCollector) Collect(to chan<- prometheus.Metric) {
	stats := c.app.buffer.Audit()
	send := func(d *prometheus.Desc, kind prometheus.ValueType, value float64) {
		to <- prometheus.MustNewConstMetric(d, kind, value)
	}
	send(receiptsDesc, prometheus.GaugeValue, float64(stats.Records))
	send(receiptBytesDesc, prometheus.GaugeValue, float64(stats.Bytes))
	send(receiptAgeDesc, prometheus.GaugeValue, stats.Oldest.Seconds())
	send(repairsDesc, prometheus.CounterValue, float64(stats.Repairs))
	send(auditFailuresDesc, prometheus.CounterValue, float64(stats.Failures))
}

var (
	claimsDesc       = desc("claims_total", "Deliveries by what the ledger made of them.", "result")
	payerCallsDesc   = desc("payer_calls_total", "Calls of the payer.", "kind")
	outcomesDesc     = desc("outcomes_total", "Outcomes written, by the state that followed.", "state")
	mismatchesDesc   = desc("payer_mismatches_total", "Answers about another amount, currency or payment.")
	lateWritesDesc   = desc("late_writes_total", "Outcomes whose fence had moved on; they changed nothing.")
	ledgerErrorsDesc = desc("ledger_errors_total", "Writes of the ledger that failed and were repeated.")
	inFlightDesc     = desc("processor_in_flight", "Payments taken on and not yet settled.")
	breakerDesc      = desc("payer_breaker_open", "1 while the payer is taken for down and nothing is fetched.")
)

// processorCollector reads the processor's counts.
type processorCollector struct{ app *App }

func (processorCollector) Describe(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		claimsDesc, payerCallsDesc, outcomesDesc, mismatchesDesc, lateWritesDesc, ledgerErrorsDesc, inFlightDesc, breakerDesc,
	} {
		to <- d
	}
	describePayer(to)
}

func (c processorCollector) Collect(to chan<- prometheus.Metric) {
	stats := c.app.processor.Stats()
	counter := func(d *prometheus.Desc, value int64, labels ...string) {
		to <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(value), labels...)
	}
	counter(claimsDesc, stats.Claimed, "claimed")
	counter(claimsDesc, stats.Scheduled, "scheduled")
	counter(claimsDesc, stats.Refused, "refused")
	counter(claimsDesc, stats.Duplicates, "duplicate")
	counter(claimsDesc, stats.Conflicts, "conflict")
	counter(claimsDesc, stats.Batches, "batch")
	counter(claimsDesc, stats.Buried, "dead_letter")
	counter(payerCallsDesc, stats.Charges, "charge")
	counter(payerCallsDesc, stats.Lookups, "lookup")
	counter(payerCallsDesc, stats.Voids, "void")
	for _, state := range payment.States() {
		if state != payment.Queued && state != payment.Scheduled && state != payment.Paying {
			counter(outcomesDesc, stats.Outcomes[state], string(state))
		}
	}
	counter(mismatchesDesc, stats.Mismatches)
	counter(lateWritesDesc, stats.LateWrites)
	counter(ledgerErrorsDesc, stats.LedgerErrors)
	open := 0.0
	if stats.BreakerOpen {
		open = 1
	}
	to <- prometheus.MustNewConstMetric(inFlightDesc, prometheus.GaugeValue, float64(stats.InFlight))
	to <- prometheus.MustNewConstMetric(breakerDesc, prometheus.GaugeValue, open)
	collectPayer(to, stats)
}
