package report

import (
	"maps"
	"math"
	"slices"
)

// Ratio is what became of one comparison in several rounds.
type Ratio struct {
	Median  float64 // NaN if no round has both runs
	Lowest  float64
	Highest float64
}

// samples are runs in the order in which they were made.
type samples []Sample

// of are the runs of one server in one case.
func (s samples) of(server string, c Case) samples {
	var found samples
	for _, sample := range s {
		if sample.Server == server && sample.Case == c {
			found = append(found, sample)
		}
	}
	return found
}

// median is the median over all runs.
func (s samples) median(of metric) float64 {
	values := make([]float64, len(s))
	for i, sample := range s {
		values[i] = of(sample)
	}
	return median(values)
}

// best is, of each round, the run of a server with new orders one by one that had the
// highest rate, whatever the connections.
func (s samples) best(server string) samples {
	byRound := map[int]Sample{}
	for _, sample := range s {
		if sample.Server == server && sample.Case.isPlain() && sample.Rate > byRound[sample.Round].Rate {
			byRound[sample.Round] = sample
		}
	}
	return slices.Collect(maps.Values(byRound))
}

// over divides these runs by others, round by round.
func (s samples) over(others samples, of metric) Ratio {
	return ratioOf(s.byRound(of), others.byRound(of))
}

// byRound gives one number per round.
func (s samples) byRound(of metric) map[int]float64 {
	values := map[int]float64{}
	for _, sample := range s {
		values[sample.Round] = of(sample)
	}
	return values
}

// ratioOf divides ours by theirs in each round that has both.
func ratioOf(ours, theirs map[int]float64) Ratio {
	var ratios []float64
	for round, value := range ours {
		if divisor := theirs[round]; divisor > 0 {
			ratios = append(ratios, value/divisor)
		}
	}
	if len(ratios) == 0 {
		return Ratio{Median: math.NaN(), Lowest: math.NaN(), Highest: math.NaN()}
	}
	return Ratio{Median: median(ratios), Lowest: slices.Min(ratios), Highest: slices.Max(ratios)}
}

// median is the middle value, or the mean of the middle two; NaN of nothing.
func median(values []float64) float64 {
	if len(values) == 0 {
		return math.NaN()
	}
	sorted := slices.Sorted(slices.Values(values))
	middle := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[middle]
	}
	return (sorted[middle-1] + sorted[middle]) / 2
}

// cases are the cases in which a server was measured, in order.
func (s samples) cases(server string) []Case {
	var found []Case
	for _, sample := range s {
		if sample.Server == server && !slices.Contains(found, sample.Case) {
			found = append(found, sample.Case)
		}
	}
	return found
}
