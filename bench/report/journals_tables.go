package report

import (
	"fmt"
	"slices"
)

// journalMetric picks one number out of a sample.
type journalMetric func(JournalSample) float64

// JournalComparison is a row of the table of ratios.
type JournalComparison struct {
	Other                        string
	Callers                      int
	Rate, P50, P99, CPU, Written Ratio
}

// Comparisons are all ratios, store by store.
func (j *Journals) Comparisons() []JournalComparison {
	var rows []JournalComparison
	for _, other := range j.Others {
		for _, callers := range j.callers() {
			ratio := func(of journalMetric) Ratio {
				return ratioOf(j.byRound(j.Ours, callers, of), j.byRound(other, callers, of))
			}
			rows = append(rows, JournalComparison{
				Other: other, Callers: callers,
				Rate:    ratio(func(s JournalSample) float64 { return s.Rate }),
				P50:     ratio(func(s JournalSample) float64 { return s.P50.Seconds() }),
				P99:     ratio(func(s JournalSample) float64 { return s.P99.Seconds() }),
				CPU:     ratio(func(s JournalSample) float64 { return s.CPU.Seconds() }),
				Written: ratio(func(s JournalSample) float64 { return s.WrittenBytes }),
			})
		}
	}
	return rows
}

// JournalMeasurements are the medians for one number of callers.
type JournalMeasurements struct {
	Callers int
	Rows    []JournalRow
}

// JournalRow is what one store did, in the units of the table.
type JournalRow struct {
	Store                            string
	Rate, P50, P99, CPU              string
	Allocations, AllocBytes, Written string
	Flushes                          string
}

// Measurements gives the medians, by the number of callers.
func (j *Journals) Measurements() []JournalMeasurements {
	var tables []JournalMeasurements
	for _, callers := range j.callers() {
		table := JournalMeasurements{Callers: callers}
		for _, store := range append([]string{j.Ours}, j.Others...) {
			table.Rows = append(table.Rows, j.row(store, callers))
		}
		tables = append(tables, table)
	}
	return tables
}

func (j *Journals) row(store string, callers int) JournalRow {
	const perMilli, perMicro = 1e3, 1e6
	middle := func(of journalMetric) float64 {
		var values []float64
		for _, value := range j.byRound(store, callers, of) {
			values = append(values, value)
		}
		return median(values)
	}
	return JournalRow{
		Store:       store,
		Rate:        whole(middle(func(s JournalSample) float64 { return s.Rate })),
		P50:         hundredths(middle(func(s JournalSample) float64 { return s.P50.Seconds() }) * perMilli),
		P99:         hundredths(middle(func(s JournalSample) float64 { return s.P99.Seconds() }) * perMilli),
		CPU:         short(middle(func(s JournalSample) float64 { return s.CPU.Seconds() }) * perMicro),
		Allocations: short(middle(func(s JournalSample) float64 { return s.Allocations })),
		AllocBytes:  whole(middle(func(s JournalSample) float64 { return s.AllocBytes })),
		Written:     whole(middle(func(s JournalSample) float64 { return s.WrittenBytes })),
		Flushes:     fmt.Sprintf("%.3f", middle(func(s JournalSample) float64 { return s.Flushes })),
	}
}

func (j *Journals) callers() []int {
	var found []int
	for _, sample := range j.Samples {
		if sample.Store == j.Ours && !slices.Contains(found, sample.Callers) {
			found = append(found, sample.Callers)
		}
	}
	return found
}

// byRound gives one number of a store per round.
func (j *Journals) byRound(store string, callers int, of journalMetric) map[int]float64 {
	values := map[int]float64{}
	for _, sample := range j.Samples {
		if sample.Store == store && sample.Callers == callers {
			values[sample.Round] = of(sample)
		}
	}
	return values
}

// JournalKeptRow is what keeping receipts takes, in the units of the table.
type JournalKeptRow struct {
	Store, OpenKilled, OpenClosed, PerRecord   string
	RemoveTime, RemoveCPU, RemoveWritten, Back string
}

// Keeping gives a row per store that can do more than append.
func (j *Journals) Keeping() []JournalKeptRow {
	const perMilli = 1e3
	var rows []JournalKeptRow
	for _, kept := range j.Kept {
		back := float64(kept.DiskBytes-kept.DiskBytesAfter) / float64(max(1, kept.DiskBytes))
		rows = append(rows, JournalKeptRow{
			Store:         kept.Store,
			OpenKilled:    short(kept.OpenKilled.Seconds() * perMilli),
			OpenClosed:    short(kept.OpenClosed.Seconds() * perMilli),
			PerRecord:     whole(float64(kept.DiskBytes) / float64(max(1, j.KeptRecords))),
			RemoveTime:    short(kept.RemoveTime.Seconds() * perMilli),
			RemoveCPU:     whole(kept.RemoveCPU.Seconds() * perMilli),
			RemoveWritten: mebibytes(kept.RemoveWritten &^ (1<<16 - 1)),
			Back:          percent(back),
		})
	}
	return rows
}

// JournalHarms are the rows for one sort of damage.
type JournalHarms struct {
	Way  string
	Rows []JournalHarmed
}

// Harms gives a table per sort of damage.
func (j *Journals) Harms() []JournalHarms {
	var tables []JournalHarms
	for _, harmed := range j.Harmed {
		if len(tables) == 0 || tables[len(tables)-1].Way != harmed.Way {
			tables = append(tables, JournalHarms{Way: harmed.Way})
		}
		last := &tables[len(tables)-1]
		last.Rows = append(last.Rows, harmed)
	}
	return tables
}

// Given tells how many receipts came back, of those there had been.
func (h JournalHarmed) Given() string {
	if h.RightLowest == h.RightMost {
		return whole(float64(h.RightMost))
	}
	return whole(float64(h.RightLowest)) + " to " + whole(float64(h.RightMost))
}
