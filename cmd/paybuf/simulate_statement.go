package main

import "github.com/spf13/cobra"

func newSimulateStatement() *cobra.Command {
	var ledger, from, until string
	cmd := &cobra.Command{
		Use:   "statement",
		Short: "Write a simulated payer's charges as a statement",
		Long: `Writes the charges in a ledger file as a CSV file for paybuf reconcile, also while
the payer runs. The payer itself serves the same as GET /statement?from=&to=.

Exit codes: 0 written, 1 it failed, 2 the flags must change.`,
		Example: `  paybuf simulate-payer statement --ledger payer.ndjson >statement.csv
  paybuf reconcile --statement statement.csv --data DIR`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return writeStatement(cmd.OutOrStdout(), ledger, from, until)
		},
	}
	cmd.Flags().StringVar(&ledger, "ledger", "payer-ledger.ndjson", "file of all charges")
	cmd.Flags().StringVar(&from, "from", "", "only charges made at this time or later, such as 2026-11-21T00:00:00Z")
	cmd.Flags().StringVar(&until, "to", "", "only charges made before this time")
	return cmd
}
