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
		return "**" + figure(r.Median) + "**"
	}
	return fmt.Sprintf("**%s** (%s to %s)", figure(r.Median), figure(r.Lowest), figure(r.Highest))
}

// figure is a number with as many decimals as tell something.
func figure(value float64) string {
	if value < 100 {
		return hundredths(value)
	}
	return whole(value)
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

func count(n int) string                  { return whole(float64(n)) }
func hundredths(value float64) string     { return fmt.Sprintf("%.2f", value) }
func milliseconds(d time.Duration) string { return fmt.Sprintf("%.2f ms", d.Seconds()*1e3) }
func gibibytes(bytes int64) string        { return fmt.Sprintf("%.0f GiB", float64(bytes)/(1<<30)) }
func megabytes(bytes int64) string        { return whole(float64(bytes)/1e6) + " MB" }
func seconds(d time.Duration) string      { return fmt.Sprintf("%.2f s", d.Seconds()) }
func percent(share float64) string        { return fmt.Sprintf("%.0f %%", share*100) }
