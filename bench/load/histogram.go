package load

import (
	"math/bits"
	"time"
)

const (
	// Each power of two is parted into 128 buckets, so that a bucket is less than
	// 1 % wide, as in an HDR histogram of two digits.
	subBucketBits = 7
	subBuckets    = 1 << subBucketBits
	// bucketRows reach from a microsecond to 2^33, more than two hours.
	bucketRows = 26
)

// Histogram counts durations in a fixed space, with an error of half a per cent
// or half a microsecond. Its zero value is empty.
type Histogram struct {
	counts [(bucketRows + 1) * subBuckets]int64
	total  int64
}

// Add counts a duration. A negative one counts as 0, one beyond two hours as
// the longest that there is.
func (h *Histogram) Add(took time.Duration) {
	h.counts[bucketOf(took)]++
	h.total++
}

// Merge adds what another histogram has counted.
func (h *Histogram) Merge(other *Histogram) {
	for bucket, count := range other.counts {
		h.counts[bucket] += count
	}
	h.total += other.total
}

// Count is how many durations were added.
func (h *Histogram) Count() int64 { return h.total }

// Quantile gives the duration which the share q (0 to 1) of all do not exceed,
// as the middle of its bucket; 0 if nothing was counted.
func (h *Histogram) Quantile(q float64) time.Duration {
	wanted := max(1, int64(q*float64(h.total)+0.5))
	seen := int64(0)
	for bucket, count := range h.counts {
		if seen += count; count > 0 && seen >= wanted {
			return middleOf(bucket)
		}
	}
	return 0
}

// bucketOf: the first row counts single microseconds, each further one covers a
// power of two by the bits that follow the highest.
func bucketOf(took time.Duration) int {
	micros := uint64(max(0, took.Microseconds()))
	shift := bits.Len64(micros) - subBucketBits - 1
	if shift < 0 {
		return int(micros) //nolint:gosec // less than subBuckets
	}
	if shift >= bucketRows {
		return len(Histogram{}.counts) - 1
	}
	return shift*subBuckets + int(micros>>shift) //nolint:gosec // at most 2*subBuckets
}

// middleOf is the duration halfway between the ends of a bucket.
func middleOf(bucket int) time.Duration {
	shift := max(0, bucket/subBuckets-1)
	lowestMicros := int64(bucket-shift*subBuckets) << shift
	widthMicros := int64(1) << shift
	return time.Duration(2*lowestMicros+widthMicros) * time.Microsecond / 2
}
