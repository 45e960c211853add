package report

import (
	"fmt"
	"math"
)

// flowKind is one of the two situations in which payments flow.
type flowKind struct {
	title string
	of    func(Pipeline) Flow
}

func (d *Document) flowKinds() []flowKind {
	drained := int64(0)
	for _, p := range d.Pipelines {
		drained = max(drained, p.Drained.Payments)
	}
	return []flowKind{
		{"while payments come in", func(p Pipeline) Flow { return p.Sustained }},
		{fmt.Sprintf("a backlog of %s worked off", whole(float64(drained))), func(p Pipeline) Flow { return p.Drained }},
	}
}

// FlowRatio is a row of the table that holds our pipeline against another.
type FlowRatio struct {
	Other, What string
	Rate, CPU   Ratio
}

// FlowRatios are all ratios, pipeline by pipeline.
func (d *Document) FlowRatios() []FlowRatio {
	var rows []FlowRatio
	for _, other := range d.Pipelines {
		if other.Server == d.Ours {
			continue
		}
		for _, kind := range d.flowKinds() {
			ours, theirs := kind.of(d.pipeline(d.Ours)), kind.of(other)
			rows = append(rows, FlowRatio{
				Other: other.Server, What: kind.title,
				Rate: single(ours.Rate() / theirs.Rate()), CPU: single(ours.cpu() / theirs.cpu()),
			})
		}
	}
	return rows
}

// single is a ratio that was measured once; there is none of what was not measured.
func single(value float64) Ratio {
	if math.IsInf(value, 0) {
		value = math.NaN()
	}
	return Ratio{Median: value, Lowest: value, Highest: value}
}

// FlowTable has the numbers of one situation.
type FlowTable struct {
	Title string
	Rows  []FlowRow
}

// FlowRow is what one pipeline did, in the units of the table.
type FlowRow struct {
	Server, Rate, Statements                  string
	ServerCPU, PostgresCPU, PayerCPU, LoadCPU string
	Other                                     string
}

// Flows gives the numbers, situation by situation.
func (d *Document) Flows() []FlowTable {
	var tables []FlowTable
	for _, kind := range d.flowKinds() {
		table := FlowTable{Title: kind.title}
		for _, p := range d.Pipelines {
			table.Rows = append(table.Rows, flowRowOf(p.Server, kind.of(p)))
		}
		tables = append(tables, table)
	}
	return tables
}

func flowRowOf(server string, flow Flow) FlowRow {
	const perMicro = 1e6
	return FlowRow{
		Server:      server,
		Rate:        whole(flow.Rate()),
		Statements:  fmt.Sprintf("%.3f", flow.Statements),
		ServerCPU:   whole(flow.ServerCPU.Seconds() * perMicro),
		PostgresCPU: whole(flow.PostgresCPU.Seconds() * perMicro),
		PayerCPU:    whole(flow.PayerCPU.Seconds() * perMicro),
		LoadCPU:     whole(flow.GeneratorCPU.Seconds() * perMicro),
		Other:       percent(flow.OtherShare),
	}
}

// DelayRow is how long payments took in one pipeline, in the units of the table.
type DelayRow struct {
	Server, PerSecond, P50, P99, LateMax string
}

// Delays gives all of them.
func (d *Document) Delays() []DelayRow {
	const perMilli = 1e3
	var rows []DelayRow
	for _, p := range d.Pipelines {
		rows = append(rows, DelayRow{
			Server: p.Server, PerSecond: whole(p.Paced.PerSecond),
			P50:     whole(p.Paced.P50.Seconds() * perMilli),
			P99:     whole(p.Paced.P99.Seconds() * perMilli),
			LateMax: whole(p.Paced.LateMax.Seconds() * perMilli),
		})
	}
	return rows
}
