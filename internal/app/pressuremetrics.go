package app

import "github.com/prometheus/client_golang/prometheus"

var (
	refusedDesc     = desc("refused_total", "Requests refused for want of room, by what was wanting.", "reason")
	tenantsOverDesc = desc("tenants_over_share", "Tenants that are refused since their own payments wait.")
	storeFailedDesc = desc("store_failed", "1 while a store writes nothing and payments are refused.", "store")
)

// pressureCollector reads what stands against new payments. Tenants are counted
// and never named: there may be thousands.
type pressureCollector struct{ app *App }

func (pressureCollector) Describe(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{refusedDesc, tenantsOverDesc, storeFailedDesc} {
		to <- d
	}
}

func (c pressureCollector) Collect(to chan<- prometheus.Metric) {
	now := c.app.buffer.Pressure()
	for reason, count := range now.Refused {
		to <- prometheus.MustNewConstMetric(refusedDesc, prometheus.CounterValue, float64(count), string(reason))
	}
	failed := map[string]bool{"stream": len(now.StreamsFailed) > 0, "journal": now.JournalRefusing}
	for store, is := range failed {
		value := 0.0
		if is {
			value = 1
		}
		to <- prometheus.MustNewConstMetric(storeFailedDesc, prometheus.GaugeValue, value, store)
	}
	to <- prometheus.MustNewConstMetric(tenantsOverDesc, prometheus.GaugeValue, float64(now.TenantsOver))
}
