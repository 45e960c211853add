package histogram

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestHistogram_quantilesAreRightWithinABucket(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		micros := rapid.SliceOfN(rapid.Int64Range(0, 1<<40), 1, 200).Draw(t, "micros")
		q := rapid.SampledFrom([]float64{0.01, 0.5, 0.99, 1}).Draw(t, "q")
		var h Histogram
		for _, took := range micros {
			h.Add(time.Duration(took) * time.Microsecond)
		}
		slices.Sort(micros)
		exact := micros[max(1, int(q*float64(len(micros))+0.5))-1]
		got := h.Quantile(q).Microseconds()
		if got < exact || got > exact+exact/subBuckets {
			t.Fatalf("quantile %v of %v: got %d, exactly %d", q, micros, got, exact)
		}
	})
}

func TestHistogram_takesWhatIsOutOfItsRange(t *testing.T) {
	var h Histogram
	if got := h.Quantile(0.5); got != 0 {
		t.Errorf("of nothing: %s", got)
	}
	h.Add(-time.Second)
	if got := h.Quantile(1); got != 0 {
		t.Errorf("of a clock that went back: %s", got)
	}
	h.Add(1<<63 - 1)
	if got := h.Quantile(1); got < 25*24*time.Hour {
		t.Errorf("of 292 years: %s", got)
	}
}

func TestMerge_countsBoth(t *testing.T) {
	var first, second Histogram
	first.Add(time.Millisecond)
	second.Add(time.Second)
	second.Add(time.Second)
	first.Merge(&second)
	if got := first.Count(); got != 3 {
		t.Errorf("counts %d, want 3", got)
	}
	if got := first.Quantile(0.9); got < time.Second || got > 1100*time.Millisecond {
		t.Errorf("nine of ten within %s, want one second", got)
	}
}
