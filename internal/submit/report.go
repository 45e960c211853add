package submit

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// tableLine is one count of the summary.
type tableLine struct {
	name   string
	count  int64
	remark string
}

// write puts the summary on out, as a table for people.
func (s Summary) write(out io.Writer) error {
	lines := s.lines()
	nameWidth, countWidth := 0, 0
	for _, line := range lines {
		nameWidth = max(nameWidth, len(line.name))
		countWidth = max(countWidth, len(grouped(line.count)))
	}
	var text strings.Builder
	for _, line := range lines {
		row := fmt.Sprintf("%-*s  %*s  %s", nameWidth, line.name, countWidth, grouped(line.count), line.remark)
		text.WriteString(strings.TrimRight(row, " ") + "\n")
	}
	s.writeRemarks(&text)
	_, err := io.WriteString(out, text.String())
	return err
}

func (s Summary) lines() []tableLine {
	lines := []tableLine{
		{"requests", s.Requests, fmt.Sprintf("in %s, %s/s, p50 %s, p99 %s", short(s.Duration),
			grouped(int64(s.PerSecond()+0.5)), short(s.LatencyP50), short(s.LatencyP99))},
		{"  accepted", s.Accepted, "new payments"},
		{"  same again", s.Duplicates, "answered with the first answer"},
		{"  another body", s.Conflicts, "conflicts: the order number is taken"},
		{"  refused", s.Refused, "not payments: something must change"},
		{"  lost", s.LostRequests, "without a definite answer"},
		{"retried sends", s.Retries, ""},
	}
	if len(s.Retried) > 0 {
		lines = append(lines,
			tableLine{"retried rows", s.Requests, "their payments had failed"},
			tableLine{"skipped rows", s.Skipped, "their payments had not, or are of another batch"})
	}
	if s.Settlement != nil {
		lines = append(lines, s.Settlement.lines()...)
	}
	return lines
}

func (s Settlement) lines() []tableLine {
	lines := []tableLine{
		{"payments", s.Payments, "distinct, waited for " + short(s.Duration)},
		{"  succeeded", s.Succeeded, ""},
		{"  failed", s.Failed, ""},
		{"  canceled", s.Canceled, ""},
		{"  parked", s.Parked, "wait for a human"},
		{"  unsettled", s.Unsettled, "not final in time"},
	}
	for _, currency := range slices.Sorted(maps.Keys(s.SucceededMinor)) {
		lines = append(lines, tableLine{
			"sum succeeded", s.SucceededMinor[currency], printable(currency) + " in minor units",
		})
	}
	return lines
}

// writeRemarks says what to look at: reasons and rows.
func (s Summary) writeRemarks(text *strings.Builder) {
	if len(s.Refusals) > 0 {
		fmt.Fprintf(text, "\nrefused, the first %d of %s:\n", len(s.Refusals), grouped(s.Refused))
		for _, refusal := range s.Refusals {
			fmt.Fprintf(text, "  line %s: %s: %s\n", refusal.Row, printable(string(refusal.Code)), printable(refusal.Detail))
		}
	}
	if len(s.Batches) > 0 {
		fmt.Fprintf(text, "\nbatches, the first %d of %s:\n", min(len(s.Batches), batchesShownMax), grouped(int64(len(s.Batches))))
		for _, id := range s.Batches[:min(len(s.Batches), batchesShownMax)] {
			fmt.Fprintf(text, "  %s\n", id)
		}
	}
	if len(s.LostRows) > 0 {
		rows := make([]string, len(s.LostRows))
		for i, row := range s.LostRows {
			rows[i] = row.String()
		}
		fmt.Fprintf(text, "\nlost, the first %d of %s: line %s\n  the latest because of: %s\n",
			len(rows), grouped(s.LostRequests), strings.Join(rows, ", "), printable(s.LastError))
	}
	if s.Settlement != nil && s.Settlement.LastError != "" {
		fmt.Fprintf(text, "\nunsettled; a payment could not be read: %s\n", printable(s.Settlement.LastError))
	}
	if s.Stopped != "" {
		fmt.Fprintf(text, "\nstopped before the end of the input: %s\n", printable(s.Stopped))
	}
	if s.LostRequests > 0 || s.Stopped != "" || s.Interrupted {
		text.WriteString("\nThe same file may be sent again: an order number is paid at most once.\n")
	}
}

// String is the line, and the pass unless it is the first.
func (r Row) String() string {
	if r.Pass > 1 {
		return fmt.Sprintf("%d (pass %d)", r.Line, r.Pass)
	}
	return strconv.FormatInt(r.Line, 10)
}

// grouped writes a number with commas between its thousands.
func grouped(n int64) string {
	digits := strconv.FormatInt(n, 10)
	sign := ""
	if n < 0 {
		sign, digits = "-", digits[1:]
	}
	for at := len(digits) - 3; at > 0; at -= 3 {
		digits = digits[:at] + "," + digits[at:]
	}
	return sign + digits
}

// short rounds a duration to three digits or so.
func short(d time.Duration) string {
	unit := time.Microsecond
	for _, candidate := range []time.Duration{time.Second, 100 * time.Millisecond, time.Millisecond} {
		if d >= 100*candidate {
			unit = candidate
			break
		}
	}
	return d.Round(unit).String()
}

// printable keeps what a server says from moving the cursor.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return ' '
	}, text)
}
