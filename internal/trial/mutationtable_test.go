//go:build trial && crash

package trial

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"
)

// mutationRow is what one mutation led to.
type mutationRow struct {
	mutation
	intact  finding
	dropped []finding
}

const mutationsHead = `# Mutations

Written by ` + "`make crash-mutations`" + `; do not edit.

A harness that never finds anything proves nothing. So each protection is dropped in turn, in a test build
(` + "`internal/fault`" + `) or by SQL, and the same clients, payer and faults must lead to a violation that the harness
sees: in the payer's own ledger, in what clients were told, or in what their webhooks were sent. With the protection they must not.

The invariants: **I1** who got a 202 gets an end, or the reason why a person must decide; **I2** at most one charge
per order, one if a payment of it succeeded, none if all failed or are canceled; **I4** amounts are those of the accepted body, and the time is not before its own; **I5** a final state
never changes and no version goes back; **I6** accepted = open + final + parked; **I7** each event is delivered, signed,
with one body per webhook-id, and those of a payment in line.

| dropped | the run | caught by | noticed | after payments | after seconds | with the protection |
| --- | --- | --- | --- | ---: | ---: | --- |
`

// writeMutations writes the table of docs/mutations.md.
func writeMutations(t *testing.T, file string, rows []mutationRow) {
	t.Helper()
	var out strings.Builder
	out.WriteString(mutationsHead)
	for _, row := range rows {
		payments, seconds := spread(row.dropped)
		fmt.Fprintf(&out, "| %s | %s | %s: %s | %d of %d | %s | %s | %d payments, %d charges, %d violations |\n",
			row.without, row.aim, row.wants, general(row.dropped[0].example), row.noticed(), len(row.dropped), payments, seconds,
			row.intact.balance.Payments, row.intact.balance.Charges, len(row.intact.balance.Violations))
	}
	if err := os.WriteFile(file, []byte(out.String()), 0o644); err != nil {
		t.Fatal(err)
	}
}

func (row mutationRow) noticed() (n int) {
	for _, found := range row.dropped {
		if found.example != "" {
			n++
		}
	}
	return n
}

// spread gives from what to what the runs took.
func spread(found []finding) (payments, seconds string) {
	least, most := found[0].payments, found[0].payments
	short, long := found[0].duration, found[0].duration
	for _, f := range found[1:] {
		least, most = min(least, f.payments), max(most, f.payments)
		short, long = min(short, f.duration), max(long, f.duration)
	}
	return fmt.Sprintf("%d to %d", least, most), fmt.Sprintf("%.0f to %.0f", short.Round(time.Second).Seconds(), long.Round(time.Second).Seconds())
}

// general names no payment: its id is another one in each run.
func general(example string) string {
	_, rest, found := strings.Cut(example, " ")
	if !found {
		return example
	}
	return "a payment " + rest
}
