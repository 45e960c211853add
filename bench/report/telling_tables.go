package report

import "fmt"

// LookupRow is what a server did that was asked for payments, in the units of the table.
type LookupRow struct {
	Server, What                                    string
	Rate, P50, P99, ServerCPU, PostgresCPU, LoadCPU string
	RateRatio, CPURatio                             string
}

// LookupRows gives the medians, and what they are of the constant answer's.
func (d *Document) LookupRows() []LookupRow {
	t := d.Telling
	var rows []LookupRow
	for _, server := range []string{d.Ours, ConstantServer} {
		for _, payments := range t.lookupKinds() {
			runs := t.lookups(server, payments)
			if len(runs) == 0 {
				continue
			}
			of := rowOf(server, runs)
			row := LookupRow{
				Server: server, What: whatWasAsked(server, payments), Rate: of.Rate, P50: of.P50, P99: of.P99,
				ServerCPU: of.ServerCPU, PostgresCPU: of.PostgresCPU, LoadCPU: of.LoadCPU,
			}
			if server == d.Ours {
				row.RateRatio = t.lookupRatio(server, payments, rate).String()
				row.CPURatio = t.lookupRatio(server, payments, bothCPU).String()
			}
			rows = append(rows, row)
		}
	}
	return rows
}

func whatWasAsked(server string, payments int) string {
	switch {
	case server == ConstantServer:
		return "whatever is asked"
	case payments == 1:
		return "one payment"
	}
	return count(payments) + " payments in turn"
}

// CrowdRow is what clients that wait saw, and what it cost, in the units of the table.
type CrowdRow struct {
	Rate, P50, P99, Max, WaitingMean, WaitingMin      string
	ServerCPU, OthersCPU, PostgresCPU, LoadCPU, Other string
}

// Crowd gives the row of the clients that wait.
func (d *Document) Crowd() CrowdRow {
	const perMilli, perMicro = 1e3, 1e6
	w := d.Telling.Waiting
	return CrowdRow{
		Rate: whole(w.Rate()), P50: short(w.P50.Seconds() * perMilli), P99: short(w.P99.Seconds() * perMilli),
		Max: short(w.Max.Seconds() * perMilli), WaitingMean: whole(w.WaitingMean), WaitingMin: whole(w.WaitingMin),
		ServerCPU: whole(w.ServerCPU.Seconds() * perMicro), OthersCPU: whole(w.OthersCPU.Seconds() * perMicro),
		PostgresCPU: whole(w.PostgresCPU.Seconds() * perMicro), LoadCPU: whole(w.GeneratorCPU.Seconds() * perMicro),
		Other: percent(w.OtherShare),
	}
}

// DeliveryRow is how webhooks were delivered, in the units of the table.
func (d *Document) DeliveryRow() FlowRow { return flowRowOf(d.Ours, d.Telling.Delivery.Backlog) }

// FreshRow is how long they took from the commit of the event.
func (d *Document) FreshRow() DelayRow {
	const perMilli = 1e3
	fresh := d.Telling.Delivery.Fresh
	return DelayRow{
		Server: d.Ours, PerSecond: whole(fresh.PerSecond),
		P50: short(fresh.P50.Seconds() * perMilli), P99: short(fresh.P99.Seconds() * perMilli),
		LateMax: short(fresh.LateMax.Seconds() * perMilli),
	}
}

// FairnessRow holds deliveries with an endpoint that hangs against those without one.
type FairnessRow struct {
	What             string
	Hanging, Healthy string // deliveries per second to the others
	Ratio            Ratio
}

// FairnessRows gives a row for each number of tenants.
func (d *Document) FairnessRows() []FairnessRow {
	t := d.Telling
	var rows []FairnessRow
	for _, tenants := range t.tenantKinds() {
		endpoints := 0
		for _, run := range t.Fairness {
			if run.Tenants == tenants {
				endpoints = run.Endpoints
			}
		}
		rows = append(rows, FairnessRow{
			What:    fmt.Sprintf("%s endpoints of %s tenants", count(endpoints), count(tenants)),
			Hanging: whole(t.fairnessRate(tenants, true)), Healthy: whole(t.fairnessRate(tenants, false)),
			Ratio: t.fairness(tenants, 0),
		})
	}
	return rows
}
