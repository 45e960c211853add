package load

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

func TestHistogram_quantilesAreRightWithinHalfAPerCent(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		var h Histogram
		var exact []time.Duration
		for range 1 + random.IntN(300) {
			took := time.Duration(random.Int64N(1 << (10 + random.IntN(32)))) // up to an hour
			h.Add(took)
			exact = append(exact, took)
		}
		slices.Sort(exact)
		for _, q := range []float64{0.01, 0.5, 0.99, 1} {
			want := exact[max(1, int(q*float64(len(exact))+0.5))-1]
			off := (h.Quantile(q) - want).Abs()
			if allowed := max(time.Microsecond, want/200); off > allowed {
				t.Fatalf("quantile %v of %d: got %s, exactly %s", q, len(exact), h.Quantile(q), want)
			}
		}
	}
}

func TestHistogram_bucketsFollowWithoutGaps(t *testing.T) {
	last := bucketOf(0)
	for micros := range 1 << 17 {
		took := time.Duration(micros) * time.Microsecond
		bucket := bucketOf(took)
		if bucket != last && bucket != last+1 {
			t.Fatalf("%s is in bucket %d, a microsecond less in %d", took, bucket, last)
		}
		if middle := bucketOf(middleOf(bucket)); middle != bucket {
			t.Fatalf("the middle of bucket %d is in bucket %d", bucket, middle)
		}
		last = bucket
	}
}

func TestHistogram_takesWhatIsOutOfItsRange(t *testing.T) {
	var h Histogram
	if got := h.Quantile(0.5); got != 0 {
		t.Errorf("of nothing: %s", got)
	}
	h.Add(-time.Second)
	if got := h.Quantile(1); got > time.Microsecond {
		t.Errorf("of a clock that went back: %s", got)
	}
	h.Add(1<<63 - 1)
	if got := h.Quantile(1); got < 2*time.Hour {
		t.Errorf("of 292 years: %s", got)
	}
}

func TestHistogram_mergedIsAsIfAddedToOne(t *testing.T) {
	var a, b, both Histogram
	for i := range 1000 {
		took := time.Duration(i*i) * time.Microsecond
		both.Add(took)
		if i%3 == 0 {
			a.Add(took)
		} else {
			b.Add(took)
		}
	}
	a.Merge(&b)
	if a != both || a.Count() != 1000 {
		t.Errorf("merged it counts %d with a median of %s, in one %d and %s",
			a.Count(), a.Quantile(0.5), both.Count(), both.Quantile(0.5))
	}
}
