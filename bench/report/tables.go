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
			rows = append(rows, Comparison{
				Other: other,
				Case:  c.String(),
				Rate:  all.ratio(d.Ours, other, c, rate),
				P50:   all.ratio(d.Ours, other, c, p50),
				P99:   all.ratio(d.Ours, other, c, p99),
				CPU:   all.ratio(d.Ours, other, c, bothCPU),
			})
		}
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
