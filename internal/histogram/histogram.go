// Package histogram counts durations in a fixed space and tells their quantiles
// within 3 %. It is the one way to do so in the program.
package histogram

import (
	"math/bits"
	"time"
)

const (
	// subBuckets parts each power of two, so a bucket is at most 1/32 wide.
	subBucketBits = 5
	subBuckets    = 1 << subBucketBits
	// bucketRows reach from 1 microsecond to 2^41, some 25 days.
	bucketRows = 36
)

// Histogram counts durations from 1 microsecond to some 25 days; what is out of
// that range counts as its end. The zero value is empty. It takes one user at a
// time.
type Histogram struct {
	counts [(bucketRows + 1) * subBuckets]int64
	total  int64
}

// Count is how many durations were added.
func (h *Histogram) Count() int64 { return h.total }

// Merge adds what other has counted.
func (h *Histogram) Merge(other *Histogram) {
	h.total += other.total
	for bucket, count := range other.counts {
		h.counts[bucket] += count
	}
}

// Add counts one duration.
func (h *Histogram) Add(took time.Duration) {
	h.counts[bucketOf(took)]++
	h.total++
}

// Quantile gives the upper end of the bucket that holds the share q of all, 0 if
// nothing was counted.
func (h *Histogram) Quantile(q float64) time.Duration {
	wanted := max(1, int64(q*float64(h.total)+0.5))
	seen := int64(0)
	for bucket, count := range h.counts {
		if seen += count; count > 0 && seen >= wanted {
			return upperEnd(bucket)
		}
	}
	return 0
}

// bucketOf: the first row counts single microseconds; each further one covers a
// power of two with the leading bits after the highest.
func bucketOf(took time.Duration) int {
	micros := uint64(max(0, took.Microseconds()))
	shift := bits.Len64(micros) - subBucketBits - 1
	if shift < 0 {
		return int(micros) //nolint:gosec // less than subBuckets
	}
	if shift >= bucketRows {
		return len(Histogram{}.counts) - 1
	}
	return (shift+1)*subBuckets + int(micros>>shift) - subBuckets //nolint:gosec // at most 2*subBuckets
}

func upperEnd(bucket int) time.Duration {
	row, sub := bucket/subBuckets, bucket%subBuckets
	if row == 0 {
		return time.Duration(sub) * time.Microsecond
	}
	return time.Duration(((sub+subBuckets+1)<<(row-1))-1) * time.Microsecond
}
