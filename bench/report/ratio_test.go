package report

import (
	"math"
	"testing"
	"time"
)

func TestMedian_isTheMiddle(t *testing.T) {
	for _, c := range []struct {
		values []float64
		want   float64
	}{
		{[]float64{3}, 3},
		{[]float64{9, 1, 5}, 5},
		{[]float64{4, 1, 3, 2}, 2.5},
		{[]float64{1000, 1, 1}, 1},
	} {
		before := append([]float64{}, c.values...)
		if got := median(c.values); got != c.want {
			t.Errorf("median of %v: %v", c.values, got)
		}
		for i, value := range before {
			if c.values[i] != value {
				t.Errorf("%v was put in order for its owner too", before)
			}
		}
	}
	if got := median(nil); !math.IsNaN(got) {
		t.Errorf("median of nothing: %v", got)
	}
}

// A machine that is twice as slow in a round is so for both, and the ratio of that
// round does not show it; that of the medians would.
func TestRatio_comparesRunsOfTheSameRound(t *testing.T) {
	runs := samples{
		{Server: "paybuf", Case: Few, Round: 0, Rate: 200}, {Server: "insert", Case: Few, Round: 0, Rate: 100},
		{Server: "paybuf", Case: Few, Round: 1, Rate: 20}, {Server: "insert", Case: Few, Round: 1, Rate: 10},
		{Server: "paybuf", Case: Few, Round: 2, Rate: 90}, {Server: "insert", Case: Few, Round: 2, Rate: 30},
		// None of these belongs to the comparison.
		{Server: "river", Case: Few, Round: 0, Rate: 1},
		{Server: "insert", Case: Case{Connections: 64}, Round: 0, Rate: 1},
		{Server: "insert", Case: Case{Connections: 16, RepeatPercent: 20}, Round: 0, Rate: 1},
	}
	if got, want := runs.of("paybuf", Few).over(runs.of("insert", Few), rate), (Ratio{Median: 2, Lowest: 2, Highest: 3}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestRatio_leavesOutRoundsThatAreNotWhole(t *testing.T) {
	runs := samples{
		{Server: "paybuf", Case: Few, Round: 0, P99: 4 * time.Millisecond},
		{Server: "paybuf", Case: Few, Round: 1, P99: 6 * time.Millisecond},
		{Server: "insert", Case: Few, Round: 1, P99: 3 * time.Millisecond},
		{Server: "paybuf", Case: Few, Round: 2, P99: 6 * time.Millisecond},
		{Server: "insert", Case: Few, Round: 2, P99: 0},
	}
	if got, want := runs.of("paybuf", Few).over(runs.of("insert", Few), p99), (Ratio{Median: 2, Lowest: 2, Highest: 2}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if got := runs.of("paybuf", Few).over(runs.of("river", Few), p99); !math.IsNaN(got.Median) || got.String() != "-" {
		t.Errorf("against nobody: %v", got)
	}
}

func TestBest_isTheHighestPlainRateOfEachRound(t *testing.T) {
	runs := samples{
		{Server: "paybuf", Case: Few, Round: 0, Rate: 100}, {Server: "paybuf", Case: Many, Round: 0, Rate: 200},
		{Server: "paybuf", Case: Few, Round: 1, Rate: 500}, {Server: "paybuf", Case: Many, Round: 1, Rate: 400},
		{Server: "paybuf", Case: Batches, Round: 0, Rate: 800}, {Server: "paybuf", Case: Batches, Round: 1, Rate: 1000},
		// None of these comes one by one with new orders only, or is ours.
		{Server: "paybuf", Case: Repeats100, Round: 0, Rate: 9000}, {Server: "paybuf", Case: Keyed, Round: 1, Rate: 9000},
		{Server: "bare", Case: Few, Round: 1, Rate: 9000},
	}
	got := runs.of("paybuf", Batches).over(runs.best("paybuf"), rate)
	if want := (Ratio{Median: 3, Lowest: 2, Highest: 4}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestRatio_showsHowFarRoundsDisagree(t *testing.T) {
	for _, c := range []struct {
		ratio Ratio
		want  string
	}{
		{Ratio{Median: 2, Lowest: 1.5, Highest: 2.25}, "**2.00** (1.50 to 2.25)"},
		{Ratio{Median: 512.4, Lowest: 99.5, Highest: 1024}, "**512** (99.50 to 1,024)"},
		{Ratio{Median: 0.333, Lowest: 0.333, Highest: 0.333}, "**0.33**"},
	} {
		if got := c.ratio.String(); got != c.want {
			t.Errorf("got %q, want %q", got, c.want)
		}
	}
}

func TestNumbers_areReadable(t *testing.T) {
	for value, want := range map[float64]string{0: "0", 999.6: "1,000", 12: "12", 123456: "123,456", 1234567: "1,234,567"} {
		if got := whole(value); got != want {
			t.Errorf("%v is written %q, not %q", value, got, want)
		}
	}
	if short(9.94) != "9.9" || short(1234) != "1,234" {
		t.Errorf("labels: %q and %q", short(9.94), short(1234))
	}
}
