package submit

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
		var h histogram
		for _, took := range micros {
			h.add(time.Duration(took) * time.Microsecond)
		}
		slices.Sort(micros)
		exact := micros[max(1, int(q*float64(len(micros))+0.5))-1]
		got := h.quantile(q).Microseconds()
		if got < exact || got > exact+exact/subBuckets {
			t.Fatalf("quantile %v of %v: got %d, exactly %d", q, micros, got, exact)
		}
	})
}

func TestHistogram_takesWhatIsOutOfItsRange(t *testing.T) {
	var h histogram
	if got := h.quantile(0.5); got != 0 {
		t.Errorf("of nothing: %s", got)
	}
	h.add(-time.Second)
	if got := h.quantile(1); got != 0 {
		t.Errorf("of a clock that went back: %s", got)
	}
	h.add(1<<63 - 1)
	if got := h.quantile(1); got < 25*24*time.Hour {
		t.Errorf("of 292 years: %s", got)
	}
}
