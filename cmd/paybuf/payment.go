package main

import (
	"errors"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/paybuf/paybuf/internal/app"
	"github.com/paybuf/paybuf/internal/submit"
	"github.com/paybuf/paybuf/payment"
)

func newPayment() *cobra.Command {
	var flags adminFlags
	cmd := &cobra.Command{
		Use:   "payment",
		Short: "Look at payments, and release those that are parked",
		Example: `  paybuf payment list --state parked --data /var/lib/paybuf/dev
  paybuf payment show pay_mzsvhyd2xjbxqhnmdpkpczr4ce --data /var/lib/paybuf/dev`,
	}
	flags.add(cmd.PersistentFlags())
	cmd.AddCommand(newPaymentShow(&flags), newPaymentList(&flags), newPaymentRelease(&flags))
	return group(cmd)
}

func newPaymentShow(flags *adminFlags) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "show ID",
		Short: "Show a payment, what the payer said, and what operators decided",
		Long: `Shows a payment of any tenant, the last 100 calls of the payer for it with their
evidence, and the releases by operators. Neither the payment method nor the
metadata are shown.

Exit codes: 0 shown, 1 it failed or there is no such payment, 2 the flags must change.`,
		Example: `  paybuf payment show pay_mzsvhyd2xjbxqhnmdpkpczr4ce --postgres postgres://paybuf@db/paybuf`,
		Args:    oneArg("the payment's id"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return flags.with(cmd.Context(), func(admin *app.Admin) error {
				story, err := admin.Story(cmd.Context(), args[0])
				if err != nil {
					return err
				}
				return showStory(cmd, asJSON, story)
			})
		},
	}
	addJSON(cmd, &asJSON)
	return cmd
}

func newPaymentList(flags *adminFlags) *cobra.Command {
	var state string
	var limit int
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List payments of a state that is not final",
		Long: `Lists payments of all tenants in one state, those first that have been so for the
longest time. Final states are not listed: ask for such payments by their ids.

Exit codes: 0 listed, 1 it failed, 2 the flags must change.`,
		Example: `  paybuf payment list --state parked --limit 20 --postgres postgres://paybuf@db/paybuf`,
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := checkPositive(cmd.Flags(), "limit"); err != nil {
				return err
			}
			return flags.with(cmd.Context(), func(admin *app.Admin) error {
				payments, err := admin.Payments(cmd.Context(), state, limit)
				if err != nil {
					return err
				}
				views, rows := []paymentView{}, [][]string{}
				for _, p := range payments {
					views = append(views, viewPayment(p))
					rows = append(rows, []string{
						string(p.ID), string(p.Tenant), submit.Printable(p.OrderNumber), p.Money.String(), p.Failure.Code,
						strconv.FormatInt(p.Version, 10), shortTime(p.UpdatedAt),
					})
				}
				header := []string{"PAYMENT", "TENANT", "ORDER", "AMOUNT", "WHY", "VERSION", "SINCE"}
				return show(cmd, asJSON, views, header, rows)
			})
		},
	}
	cmd.Flags().StringVar(&state, "state", string(payment.Parked), "scheduled, paying, retrying, unknown, pending or parked")
	cmd.Flags().IntVar(&limit, "limit", 100, "how many at most")
	addJSON(cmd, &asJSON)
	return cmd
}

func newPaymentRelease(flags *adminFlags) *cobra.Command {
	var release payment.Release
	var to string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "release ID",
		Short: "Say what is to become of a parked payment",
		Long: `Releases a parked payment, after you have found out at the payer what happened:

  --to retrying   it was certainly not charged: the payer is called again, at once
  --to unknown    the payer is asked again, at once; without an outcome it is parked again
  --to succeeded  it was charged: give the payer's id of the charge as --payer-reference
  --to failed     it was not charged and will not be; its tenant reads the reason
  --to canceled   it was not charged and is given up

If it was charged all the same, retrying charges twice. --version is the one that
"paybuf payment show" shows: if somebody else was faster, nothing is changed. Who
decided, and why, stays on record.

Exit codes: 0 released, 1 it failed or the payment is not parked in that version any
more, 2 the flags must change.`,
		Example: `  paybuf payment release pay_mzsvhyd2xjbxqhnmdpkpczr4ce --to succeeded --version 7 \
    --payer-reference ch_1042 --reason "found in the payer's list" --data /var/lib/paybuf/dev`,
		Args: oneArg("the payment's id"),
		RunE: func(cmd *cobra.Command, args []string) error {
			release.ID, release.To = payment.ID(args[0]), payment.State(to)
			if err := checkRelease(release); err != nil {
				return err
			}
			return flags.with(cmd.Context(), func(admin *app.Admin) error {
				released, err := admin.Release(cmd.Context(), release)
				if err != nil {
					return err
				}
				if asJSON {
					return show(cmd, true, viewPayment(released), nil, nil)
				}
				say(cmd.OutOrStdout(), "%s is %s now, version %d\n", released.ID, released.State, released.Version)
				return nil
			})
		},
	}
	cmd.Flags().StringVar(&to, "to", "", "retrying, unknown, succeeded, failed or canceled")
	cmd.Flags().Int64Var(&release.Version, "version", 0, "the version that you looked at")
	cmd.Flags().StringVar(&release.Reason, "reason", "", "why, for whoever looks later")
	cmd.Flags().StringVar(&release.PayerReference, "payer-reference", "", "the payer's id of the charge, with --to succeeded")
	addOperator(cmd, &release.Operator)
	addJSON(cmd, &asJSON)
	return cmd
}

// checkRelease names the first flag that is missing.
func checkRelease(release payment.Release) error {
	switch {
	case release.To == "":
		return usageError{errors.New("--to is missing: retrying, unknown, succeeded, failed or canceled")}
	case release.Version <= 0:
		return usageError{errors.New("--version is missing: the one that `paybuf payment show` shows")}
	case release.Reason == "":
		return usageError{errors.New("--reason is missing: why, for whoever looks later")}
	case release.Operator == "":
		return usageError{errors.New("--operator is missing: who decides")}
	case release.To == payment.Succeeded && release.PayerReference == "":
		return usageError{errors.New("--payer-reference is missing: the payer's id of the charge")}
	}
	return nil
}
