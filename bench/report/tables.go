package report

// Comparison is a row of the table of ratios.
type Comparison struct {
	Other, Case         string
	Rate, P50, P99, CPU Ratio
}

// Comparisons are all ratios, server by server.
func (d *Document) Comparisons() []Comparison {
	all := samples(d.Samples)
	var rows []Comparison
	for _, other := range d.others() {
		for _, c := range all.cases(other) {
			runs, theirs := all.of(d.Ours, c), all.of(other, c)
			rows = append(rows, Comparison{
				Other: other,
				Case:  c.String(),
				Rate:  runs.over(theirs, rate),
				P50:   runs.over(theirs, p50),
				P99:   runs.over(theirs, p99),
				CPU:   runs.over(theirs, bothCPU),
			})
		}
	}
	return rows
}

// Contrast is a row of the table that holds ours against itself.
type Contrast struct {
	Case, Than string
	Rate, CPU  Ratio
}

// contrasts are the pairs of cases that are held against each other; without a
// second one the first is held against the best rate of new orders one by one.
var contrasts = []struct{ of, than Case }{
	{of: Batches},
	{of: Batches, than: Some},
	{of: Batches, than: Few},
	{of: Keyed, than: Some},
	{of: Repeats20, than: Some},
	{of: Repeats80, than: Some},
	{of: Repeats100, than: Some},
}

// Contrasts are the ratios of ours to itself, of those cases that were measured.
func (d *Document) Contrasts() []Contrast {
	all := samples(d.Samples)
	var rows []Contrast
	for _, c := range contrasts {
		runs := all.of(d.Ours, c.of)
		if len(runs) == 0 {
			continue
		}
		name, others := "one by one, the best rate of the round", all.best(d.Ours)
		if c.than != (Case{}) {
			name, others = c.than.String(), all.of(d.Ours, c.than)
		}
		rows = append(rows, Contrast{
			Case: c.of.String(), Than: name, Rate: runs.over(others, rate), CPU: runs.over(others, bothCPU),
		})
	}
	return rows
}

// Measurements are the medians of one case, a row per server.
type Measurements struct {
	Case Case
	Rows []Row
}

// Row is what one server did in a case, in the units of the table.
type Row struct {
	Server                          string
	Rate, P50, P99                  string
	ServerCPU, PostgresCPU, LoadCPU string
	Memory, Flushes                 string
}

// Measurements gives the medians, case by case.
func (d *Document) Measurements() []Measurements {
	all := samples(d.Samples)
	var tables []Measurements
	for _, c := range all.cases(d.Ours) {
		table := Measurements{Case: c}
		for _, server := range append([]string{d.Ours}, d.others()...) {
			if runs := all.of(server, c); len(runs) > 0 {
				table.Rows = append(table.Rows, rowOf(server, runs))
			}
		}
		tables = append(tables, table)
	}
	return tables
}

func rowOf(server string, runs samples) Row {
	const perMilli, perMicro, mebibyte = 1e3, 1e6, 1 << 20
	return Row{
		Server:      server,
		Rate:        whole(runs.median(rate)),
		P50:         hundredths(runs.median(p50) * perMilli),
		P99:         hundredths(runs.median(p99) * perMilli),
		ServerCPU:   whole(runs.median(serverCPU) * perMicro),
		PostgresCPU: whole(runs.median(postgresCPU) * perMicro),
		LoadCPU:     whole(runs.median(generatorCPU) * perMicro),
		Memory:      whole(runs.median(residentBytes) / mebibyte),
		Flushes:     whole(runs.median(flushRate)),
	}
}
