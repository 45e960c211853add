package main

import (
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/paybuf/paybuf/internal/submit"
	"github.com/paybuf/paybuf/payment"
)

func newSubmit() *cobra.Command {
	var opts submit.Options
	var retryFailed []string
	cmd := &cobra.Command{
		Use:   "submit FILE",
		Short: "Send a file of payments, CSV or NDJSON",
		Long: `Sends each row of a CSV file, or each line of an NDJSON file, as a payment
request. Rows of the same order number go in file order. A 429, a 503 or a broken
connection is tried again as the server asks; the order number makes that safe.

A CSV file needs a header. Columns are named by flags; --order-column may put
several together: '{order_id}-{part}'.

With --retry-failed BATCH the rows are sent again whose payments in the batch were
declined, and no others; it may be repeated. Change the payment methods in the file
first.

Exit codes: 0 every row has its answer (and, with --wait, its end), 1 some were
lost or did not end in time, or Paybuf does not answer, 2 the flags or the file must change, 130 interrupted.`,
		Example: `  paybuf submit orders.csv --currency EUR
  paybuf submit payments.csv --order-column '{order_id}-{payment_sequential}' \
    --amount-column payment_value --amount-unit major --currency BRL \
    --payment-method-column payment_type --concurrency 32 --wait
  paybuf submit orders.csv --batch 500 --retry-failed bat_6hipcqekvidpkogichfupc3c5e
  generate | paybuf submit - --format ndjson --json`,
		Args: oneArg("the file, or - for standard input"),
		RunE: func(cmd *cobra.Command, args []string) error {
			opts.File = args[0]
			for _, id := range retryFailed {
				opts.RetryFailed = append(opts.RetryFailed, payment.BatchID(id))
			}
			opts.Stdin, opts.Stdout, opts.Stderr = cmd.InOrStdin(), cmd.OutOrStdout(), cmd.ErrOrStderr()
			summary, err := submit.Run(cmd.Context(), opts)
			if code := submit.ExitCode(summary, err); code != exitOK {
				return &exitError{code: code, err: err}
			}
			return nil
		},
	}
	addSubmitFlags(cmd.Flags(), &opts, &retryFailed)
	return cmd
}

func addSubmitFlags(flags *pflag.FlagSet, opts *submit.Options, retryFailed *[]string) {
	addAPI(flags, &opts.URL, &opts.Key)
	flags.StringVar((*string)(&opts.Format), "format", "", "csv or ndjson (default: by the file's name)")
	flags.IntVar(&opts.Concurrency, "concurrency", submit.ConcurrencyDefault, "connections")
	flags.IntVar(&opts.Batch, "batch", 0, "rows that go as one request, up to 1000 (0: each alone)")
	flags.IntVar(&opts.Repeat, "repeat", 1, "how often the whole file is sent")
	flags.DurationVar(&opts.GiveUpAfter, "give-up-after", submit.GiveUpAfterDefault, "without any answer, a row is lost")
	flags.StringSliceVar(retryFailed, "retry-failed", nil, "send only the rows whose payments in these batches have failed, to try these again")
	flags.BoolVar(&opts.Wait, "wait", false, "wait for the end of every payment")
	flags.DurationVar(&opts.WaitTimeout, "wait-timeout", submit.WaitTimeoutDefault, "of all of that waiting")
	flags.BoolVar(&opts.Quiet, "quiet", false, "no progress")
	flags.BoolVar(&opts.JSON, "json", false, "print the summary as JSON, for scripts")

	csv := &opts.CSV
	flags.StringVar(&csv.Order, "order-column", "order_number", "column of the order number, or a template of columns in braces")
	flags.StringVar(&csv.Amount, "amount-column", "amount", "column of the amount")
	flags.StringVar((*string)(&csv.AmountUnit), "amount-unit", string(submit.Minor), "minor (1999) or major (19.99)")
	flags.StringVar(&csv.Currency, "currency-column", "", "column of the currency (default: currency)")
	flags.StringVar(&csv.FixedCurrency, "currency", "", "one currency for all rows, such as EUR")
	flags.StringVar(&csv.PaymentMethod, "payment-method-column", "", "column of the payer's token (default: payment_method)")
	flags.StringVar(&csv.FixedPaymentMethod, "payment-method", "", "one token for all rows")
	flags.StringVar(&csv.Customer, "customer-column", "", "column of the customer (default: customer, if there is one)")
	flags.StringVar(&csv.Description, "description-column", "", "column of the description (default: description, if there is one)")
	flags.StringVar(&csv.NotBefore, "not-before-column", "", "column of the time before which a row must not be paid (default: not_before, if there is one)")
	flags.StringVar(&csv.FixedNotBefore, "not-before", "", "one such time for all rows, such as 2026-11-21T09:00:00Z")
}
