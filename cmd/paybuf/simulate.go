package main

import (
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/paybuf/paybuf/internal/app"
)

func newSimulatePayer() *cobra.Command {
	var opts app.SimulatorOptions
	cmd := &cobra.Command{
		Use:   "simulate-payer",
		Short: "Run a payer that moves no money and misbehaves on demand",
		Long: `Speaks the generic payer's HTTP contract, and writes each charge to a ledger of
its own, synced to disk, before it answers: the judge of whether anybody was
charged twice. GET /ledger counts it. Faults are rates from 0 to 1, drawn from
--seed, so that a run can be repeated. The payment method tok_declined is always
declined.

Exit codes: 0 stopped by Ctrl-C or SIGTERM, 1 it failed, 2 the flags must change.`,
		Example: `  paybuf simulate-payer --ledger payer.ndjson
  paybuf simulate-payer --ledger payer.ndjson --reset-after 0.05 --unavailable 0.05 --hang 0.02
  paybuf dev --payer http://127.0.0.1:8090 --payer-visibility-delay 0s`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			payer, err := app.StartSimulator(opts)
			if err != nil {
				return err
			}
			say(cmd.ErrOrStderr(), "ready: %s/charges, ledger %s\n", payer.URL(), opts.Ledger)
			err = waitAndStop(cmd.Context(), payer.Fatal(), payer.Stop, cmd.ErrOrStderr())
			sum := payer.Summary()
			say(cmd.ErrOrStderr(), "%d charges of %d payments, %d charged twice, %d declined\n",
				sum.Charges, sum.References, sum.Doubled, sum.Declined)
			return err
		},
	}
	addSimulatorFlags(cmd.Flags(), &opts)
	cmd.AddCommand(newSimulateReport(), newSimulateStatement())
	return cmd
}

func addSimulatorFlags(flags *pflag.FlagSet, opts *app.SimulatorOptions) {
	flags.StringVar(&opts.Listen, "listen", "127.0.0.1:8090", "address to listen on")
	flags.StringVar(&opts.Ledger, "ledger", "payer-ledger.ndjson", "file of all charges")
	flags.Uint64Var(&opts.Seed, "seed", 1, "of the faults")
	flags.DurationVar(&opts.Latency, "latency", 0, "how long each call takes")
	flags.DurationVar(&opts.Jitter, "jitter", 0, "up to how much longer")
	flags.IntVar(&opts.Capacity, "capacity", 0, "calls worked on at once, the others wait; 0 for any number")
	flags.BoolVar(&opts.RefuseOver, "refuse-over", false, "answer the others 429 instead")
	flags.Float64Var(&opts.Decline, "decline", 0, "rate of payments that are declined")
	flags.Float64Var(&opts.Pending, "pending", 0, "rate of payments that are decided later")
	flags.DurationVar(&opts.PendingFor, "pending-for", 5*time.Second, "how much later")
	flags.BoolVar(&opts.IgnoreKeys, "ignore-keys", false, "charge every call, whatever its idempotency key")
	flags.DurationVar(&opts.KeyWindow, "key-window", 24*time.Hour, "how long an idempotency key is remembered")
	flags.BoolVar(&opts.NoLookup, "no-lookup", false, "cannot be asked about a charge")
	flags.BoolVar(&opts.CanVoid, "can-void", false, "takes charges back")
	flags.Float64Var(&opts.Voids.Settled, "void-settled", 0, "rate of payments that it is too late to take back")
	flags.Float64Var(&opts.Voids.Lost, "void-lost", 0, "rate of voids that work and are answered 500")

	flags.Float64Var(&opts.Double, "double", 0, "rate of charges that it makes twice by itself; its statement shows both")

	f := &opts.Faults
	flags.Float64Var(&f.Unavailable, "unavailable", 0, "rate of 503 before charging, with Retry-After")
	flags.Float64Var(&f.RateLimited, "rate-limited", 0, "rate of 429, with Retry-After")
	flags.DurationVar(&f.RetryAfter, "retry-after", time.Second, "sent with 503 and 429")
	flags.Float64Var(&f.ErrorBefore, "error-before", 0, "rate of 500 before charging")
	flags.Float64Var(&f.ErrorAfter, "error-after", 0, "rate of 500 after charging")
	flags.Float64Var(&f.ResetBefore, "reset-before", 0, "rate of connections reset before charging")
	flags.Float64Var(&f.ResetAfter, "reset-after", 0, "rate of connections reset after charging")
	flags.Float64Var(&f.Hang, "hang", 0, "rate of calls without an answer")
	flags.DurationVar(&f.HangTimeout, "hang-timeout", time.Minute, "after which such a call ends")
	flags.BoolVar(&f.HangCharges, "hang-charges", false, "such a call has charged")
	flags.Float64Var(&f.WrongAmount, "wrong-amount", 0, "rate of answers with another amount")
	flags.Float64Var(&f.Garbage, "garbage", 0, "rate of answers that nobody can read, after charging")
	flags.Float64Var(&f.ErrorKept, "error-kept", 0, "rate of 500 after charging that each call with the key is answered again")
	flags.Float64Var(&f.ErrorUsed, "error-used", 0, "the same without charging")
	flags.Float64Var(&f.InProgress, "in-progress", 0, "rate of 409, as for a key that is being worked on, after charging")
	flags.Float64Var(&f.Late, "late", 0, "rate of charges that look-ups miss for a while")
	flags.DurationVar(&f.LateFor, "late-for", 5*time.Second, "for how long")
	flags.IntVar(&f.SendsMax, "sends-max", 0, "faults only for the first so many calls of a payment; 0 for all")
}
