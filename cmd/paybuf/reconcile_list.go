package main

import (
	"fmt"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/paybuf/paybuf/internal/app"
	"github.com/paybuf/paybuf/internal/submit"
	"github.com/paybuf/paybuf/payment"
)

const discrepanciesMax = 10_000

// discrepancyView is a discrepancy as scripts see it.
type discrepancyView struct {
	ID        int64                   `json:"id"`
	Kind      payment.DiscrepancyKind `json:"kind"`
	Reference string                  `json:"reference"`
	ChargeID  string                  `json:"charge_id"`
	Detail    string                  `json:"detail"`
	Statement string                  `json:"statement"`
	FirstAt   time.Time               `json:"first_at"`
}

func newReconcileList(flags *adminFlags) *cobra.Command {
	var asJSON bool
	var after int64
	var limit int
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List open discrepancies",
		Long: `Lists what statements showed and nobody has resolved, the oldest first.

Exit codes: 0 listed, 1 it failed, 2 the flags must change.`,
		Example: `  paybuf reconcile list --postgres postgres://paybuf@db/paybuf --json`,
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if limit < 1 || limit > discrepanciesMax {
				return usageError{fmt.Errorf("--limit must be 1 to %d", discrepanciesMax)}
			}
			return flags.with(cmd.Context(), func(admin *app.Admin) error {
				open, err := admin.Discrepancies(cmd.Context(), after, limit)
				if err != nil {
					return err
				}
				views, rows := []discrepancyView{}, [][]string{}
				for _, d := range open {
					views = append(views, discrepancyView{
						ID: d.ID, Kind: d.Kind, Reference: d.Reference, ChargeID: d.ChargeID,
						Detail: d.Detail, Statement: d.Statement, FirstAt: d.FirstAt,
					})
					rows = append(rows, []string{strconv.FormatInt(d.ID, 10), string(d.Kind), submit.Printable(d.Reference),
						submit.Printable(d.ChargeID), submit.Printable(d.Detail), submit.Printable(d.Statement), shortTime(d.FirstAt)})
				}
				return show(cmd, asJSON, views,
					[]string{"ID", "KIND", "REFERENCE", "CHARGE", "DETAIL", "STATEMENT", "FIRST SEEN"}, rows)
			})
		},
	}
	cmd.Flags().Int64Var(&after, "after", 0, "only those after this number")
	cmd.Flags().IntVar(&limit, "limit", 1000, "how many at most")
	addJSON(cmd, &asJSON)
	return cmd
}

func newReconcileResolve(flags *adminFlags) *cobra.Command {
	var operator, reason string
	cmd := &cobra.Command{
		Use:   "resolve ID",
		Short: "Close a discrepancy",
		Long: `Closes a discrepancy that a person has looked into. Who did so and why stays on
record. The payment is not touched.

Exit codes: 0 closed, 1 it failed or is not open, 2 the flags must change.`,
		Example: `  paybuf reconcile resolve 17 --reason "refunded ch_81, ticket 4711" --data DIR`,
		Args:    oneArg("the discrepancy's number, from paybuf reconcile list"),
		RunE: func(cmd *cobra.Command, args []string) error {
			id, err := strconv.ParseInt(args[0], 10, 64)
			if err != nil {
				return usageError{fmt.Errorf("a discrepancy's number is the ID that `paybuf reconcile list` shows")}
			}
			return flags.with(cmd.Context(), func(admin *app.Admin) error {
				if err := admin.ResolveDiscrepancy(cmd.Context(), id, operator, reason); err != nil {
					return err
				}
				say(cmd.OutOrStdout(), "resolved %d\n", id)
				return nil
			})
		},
	}
	addOperator(cmd, &operator)
	cmd.Flags().StringVar(&reason, "reason", "", "what was found out and done")
	return cmd
}
