package main

import (
	"strconv"

	"github.com/spf13/cobra"

	"github.com/paybuf/paybuf/internal/app"
)

func newSimulateReport() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "report LEDGER",
		Short: "Count the charges in a simulated payer's ledger",
		Long: `Counts a ledger file, also while the payer runs.

Exit codes: 0 counted, 1 an order was charged twice or it failed, 2 the flags must change.`,
		Example: `  paybuf simulate-payer report payer.ndjson --json`,
		Args:    oneArg("the ledger's file"),
		RunE: func(cmd *cobra.Command, args []string) error {
			sum, err := app.ReadLedger(args[0])
			if err != nil {
				return err
			}
			rows := [][]string{
				{"charges", strconv.FormatInt(sum.Charges, 10)},
				{"payments charged", strconv.FormatInt(sum.References, 10)},
				{"charged twice", strconv.FormatInt(sum.Doubled, 10)},
				{"declined", strconv.FormatInt(sum.Declined, 10)},
				{"taken back", strconv.FormatInt(sum.Voided, 10)},
			}
			for code, minor := range sum.Sums {
				rows = append(rows, []string{"minor units of " + code, strconv.FormatInt(minor, 10)})
			}
			if err := show(cmd, asJSON, sum, []string{"WHAT", "COUNT"}, rows); err != nil {
				return err
			}
			if sum.Doubled > 0 {
				return &exitError{code: exitFailed}
			}
			return nil
		},
	}
	addJSON(cmd, &asJSON)
	return cmd
}
