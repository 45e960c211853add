package main

import (
	"strconv"

	"github.com/spf13/cobra"

	"github.com/paybuf/paybuf/client"
	"github.com/paybuf/paybuf/internal/submit"
	"github.com/paybuf/paybuf/payment"
)

// watchFlags are what `paybuf watch` is told.
type watchFlags struct {
	api    apiFlags
	asJSON bool
}

func newWatch() *cobra.Command {
	var f watchFlags
	cmd := &cobra.Command{
		Use:   "watch ID|ORDER_NUMBER",
		Short: "Print each change of a payment as it comes, until its end",
		Long: `Prints the changes of a payment, those that have been and then each as it comes,
until the payment is final. Of an order that was tried again it is the last payment.
A parked payment waits for a person, and watch waits with it. With --json each line
is an event, in the bytes of a webhook.

Exit codes: 0 succeeded, 1 there is no such payment, or Paybuf does not answer for 2
minutes, 2 the flags must change, 3 failed or canceled, 130 interrupted.`,
		Example: `  paybuf watch pay_mzsvhyd2xjbxqhnmdpkpczr4ce
  paybuf watch A-1001 --json`,
		Args: onePayment(),
		RunE: func(cmd *cobra.Command, args []string) error { return f.run(cmd, args[0]) },
	}
	f.api.add(cmd.Flags())
	addJSON(cmd, &f.asJSON)
	return cmd
}

func (f *watchFlags) run(cmd *cobra.Command, what string) error {
	ctx := cmd.Context()
	impatient, err := f.api.client(cmd.ErrOrStderr(), apiPatience)
	if err != nil {
		return err
	}
	found, err := f.api.find(ctx, impatient, what)
	if err != nil {
		return err
	}
	watched := found[last(found)]
	if !f.asJSON {
		say(cmd.OutOrStdout(), "%s  %s  %s  %s\n", watched.ID, submit.Printable(watched.OrderNumber),
			amount(watched.AmountMinor, watched.Currency), watched.State)
	}
	api, err := f.api.client(cmd.ErrOrStderr(), client.RetryTimeoutDefault)
	if err != nil {
		return err
	}
	for event, err := range api.Watch(ctx, watched.ID) {
		if err != nil {
			return f.api.explained(ctx, err)
		}
		if err := f.print(cmd, event); err != nil {
			return err
		}
	}
	ended, err := api.Get(ctx, watched.ID)
	if err != nil {
		return f.api.explained(ctx, err)
	}
	if !f.asJSON {
		sayEnd(cmd, ended)
	}
	return ending(ended.State)
}

func (f *watchFlags) print(cmd *cobra.Command, event client.Event) error {
	if f.asJSON {
		line, err := compact(event)
		if err != nil {
			return err
		}
		return sayJSON(cmd, line)
	}
	say(cmd.OutOrStdout(), "%s  %-4s %s\n", shortTime(event.Timestamp), "v"+strconv.FormatInt(event.Version, 10), step(event))
	if event.Data.State == payment.Parked {
		say(cmd.ErrOrStderr(), "it waits for a person: `paybuf payment show %s` tells an operator why\n", event.PaymentID)
	}
	return nil
}

func sayEnd(cmd *cobra.Command, p client.Payment) {
	text := string(p.State)
	if p.Failure.Code != "" {
		text += ": " + why(p.Failure)
	}
	if p.PayerReference != "" {
		text += ", the payer's reference is " + submit.Printable(p.PayerReference)
	}
	say(cmd.OutOrStdout(), "%s; calls of the payer: %d\n", text, p.Attempts)
}
