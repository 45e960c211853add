package report

import (
	"fmt"
	"math"
	"time"
)

// String is the median and, where rounds differ, how far.
func (r Ratio) String() string {
	switch {
	case math.IsNaN(r.Median):
		return "-"
	case r.Lowest == r.Highest:
		return fmt.Sprintf("**%.2f**", r.Median)
	}
	return fmt.Sprintf("**%.2f** (%.2f to %.2f)", r.Median, r.Lowest, r.Highest)
}

// whole is a number without decimals, its thousands apart.
func whole(value float64) string {
	digits := fmt.Sprintf("%.0f", value)
	for at := len(digits) - 3; at > 0; at -= 3 {
		digits = digits[:at] + "," + digits[at:]
	}
	return digits
}

// short is a number with the decimals that a label has room for.
func short(value float64) string {
	if value < 10 {
		return fmt.Sprintf("%.1f", value)
	}
	return whole(value)
}

func hundredths(value float64) string     { return fmt.Sprintf("%.2f", value) }
func milliseconds(d time.Duration) string { return fmt.Sprintf("%.2f ms", d.Seconds()*1e3) }
func gibibytes(bytes int64) string        { return fmt.Sprintf("%.0f GiB", float64(bytes)/(1<<30)) }
func percent(share float64) string        { return fmt.Sprintf("%.0f %%", share*100) }
