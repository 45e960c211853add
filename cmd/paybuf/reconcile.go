package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strconv"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/paybuf/paybuf/internal/app"
	"github.com/paybuf/paybuf/internal/submit"
	"github.com/paybuf/paybuf/payment"
)

// reconcileFlags are what `paybuf reconcile` is told.
type reconcileFlags struct {
	admin    adminFlags
	opts     app.ReconcileOptions
	from, to string
	quiet    bool
	asJSON   bool
}

func newReconcile() *cobra.Command {
	var f reconcileFlags
	cmd := &cobra.Command{
		Use:   "reconcile",
		Short: "Compare the payer's statement with the ledger",
		Long: `Reads the payer's statement, a CSV file with a header, and finds charges that are
doubled, foreign, of a wrong amount or of a payment that did not succeed, and
payments that succeeded without a charge. Payments whose outcome is unknown are
settled by it. The same file may be read again; nothing happens twice. Columns
are described in docs/reconciliation.md.

Exit codes: 0 nothing is open, 1 it failed, 2 the flags or the file must change,
3 there are discrepancies.`,
		Example: `  paybuf reconcile --statement 2026-11-21.csv --from 2026-11-21T00:00:00Z --to 2026-11-22T00:00:00Z \
    --postgres postgres://paybuf@db/paybuf
  paybuf reconcile --statement bank.csv --charge-column id --amount-unit major --currency EUR --data DIR
  paybuf reconcile list --data DIR`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return f.run(cmd) },
	}
	f.admin.add(cmd.PersistentFlags())
	f.add(cmd.Flags())
	addJSON(cmd, &f.asJSON)
	cmd.AddCommand(newReconcileList(&f.admin), newReconcileResolve(&f.admin))
	return cmd
}

func (f *reconcileFlags) add(flags *pflag.FlagSet) {
	flags.StringVar(&f.opts.File, "statement", "", "the file, or - for standard input")
	flags.StringVar(&f.opts.Name, "name", "", "what the statement is called (default: the file's name)")
	flags.StringVar(&f.from, "from", "", "when the statement begins, such as 2026-11-21T00:00:00Z (default: its first charge)")
	flags.StringVar(&f.to, "to", "", "when it ends; not part of it (default: after its last charge)")
	flags.DurationVar(&f.opts.Margin, "margin", 5*time.Minute, "how far the payer's clock may be from ours, and how late a charge may show")
	flags.BoolVar(&f.quiet, "quiet", false, "no progress")

	columns := &f.opts.Columns
	flags.StringVar(&columns.Reference, "reference-column", "reference", "column of the payment's id")
	flags.StringVar(&columns.ChargeID, "charge-column", "charge_id", "column of the payer's own id of the charge")
	flags.StringVar(&columns.Status, "status-column", "", "column of the status (default: status; without one each row is a charge)")
	flags.StringVar(&columns.Amount, "amount-column", "amount", "column of the amount")
	flags.StringVar((*string)(&columns.Unit), "amount-unit", string(submit.Minor), "minor (1999) or major (19.99)")
	flags.StringVar(&columns.Currency, "currency-column", "", "column of the currency (default: currency)")
	flags.StringVar(&columns.FixedCurrency, "currency", "", "one currency for all rows, such as EUR")
	flags.StringVar(&columns.ChargedAt, "charged-at-column", "charged_at", "column of the time of the charge (RFC 3339)")
}

func (f *reconcileFlags) run(cmd *cobra.Command) error {
	if f.opts.File == "" {
		return usageError{fmt.Errorf("give --statement FILE, or - for standard input")}
	}
	if err := checkPositive(cmd.Flags(), "margin"); err != nil {
		return err
	}
	var err error
	if f.opts.Period, err = period(f.from, f.to); err != nil {
		return err
	}
	f.opts.Stdin = cmd.InOrStdin()
	progress := submit.NewProgress(cmd.ErrOrStderr(), f.quiet)
	defer progress.End()
	f.opts.Progress = f.show(progress)
	return f.admin.with(cmd.Context(), func(admin *app.Admin) error {
		view, err := reconciled(cmd.Context(), admin, f.opts)
		progress.End()
		if err != nil {
			return err
		}
		if err := show(cmd, f.asJSON, view, []string{"WHAT", "COUNT"}, view.rows()); err != nil {
			return err
		}
		if !view.Clean {
			return &exitError{code: exitDiffers}
		}
		return nil
	})
}

// period reads both ends of a period, each of which may be missing.
func period(from, until string) (payment.Period, error) {
	var p payment.Period
	for _, end := range []struct {
		flag, text string
		into       *time.Time
	}{{"from", from, &p.From}, {"to", until, &p.Until}} {
		if end.text == "" {
			continue
		}
		at, err := time.Parse(time.RFC3339, end.text)
		if err != nil {
			return p, usageError{fmt.Errorf("--%s must be a time such as 2026-11-21T00:00:00Z", end.flag)}
		}
		*end.into = at.UTC()
	}
	return p, nil
}

// reconcileView is what `paybuf reconcile --json` prints.
type reconcileView struct {
	Statement     string                            `json:"statement"`
	From          *time.Time                        `json:"from"`
	Until         *time.Time                        `json:"to"`
	Lines         int64                             `json:"lines"`
	Charges       int64                             `json:"charges"`
	Settled       int64                             `json:"settled"`
	Parked        int64                             `json:"parked"`
	UnderWay      int64                             `json:"under_way"`
	Discrepancies map[payment.DiscrepancyKind]int64 `json:"discrepancies"`
	Clean         bool                              `json:"clean"`
}

func reconciled(ctx context.Context, admin *app.Admin, opts app.ReconcileOptions) (reconcileView, error) {
	summary, err := admin.Reconcile(ctx, opts)
	return reconcileView{
		Statement: summary.Statement, From: optionalTime(summary.Period.From), Until: optionalTime(summary.Period.Until),
		Lines: summary.Lines, Charges: summary.Charges, Settled: summary.Settled, Parked: summary.Parked,
		UnderWay: summary.UnderWay, Discrepancies: summary.Open, Clean: summary.Clean(),
	}, err
}

func (v reconcileView) rows() [][]string {
	count := func(what string, n int64) []string { return []string{what, strconv.FormatInt(n, 10)} }
	rows := [][]string{
		count("lines", v.Lines), count("charges", v.Charges), count("settled by it", v.Settled),
		count("parked, not to be charged again", v.Parked), count("under way, for the next run", v.UnderWay),
	}
	for _, kind := range payment.DiscrepancyKinds() {
		rows = append(rows, count("open: "+string(kind), v.Discrepancies[kind]))
	}
	return rows
}

// show draws the stages of a run as phases.
func (f *reconcileFlags) show(progress *submit.Progress) func(p app.ReconcileProgress) {
	stage, total := "", fileSize(f.opts.File)
	return func(p app.ReconcileProgress) {
		if p.Stage != stage {
			progress.Begin(p.Stage, "lines", total)
			stage, total = p.Stage, 0
		}
		progress.Advance(p.Bytes, p.Lines)
	}
}

// fileSize is 0 if nobody knows.
func fileSize(file string) int64 {
	info, err := os.Stat(file)
	if err != nil || !info.Mode().IsRegular() {
		return 0
	}
	return info.Size()
}

// writeStatement is `simulate-payer statement`.
func writeStatement(to io.Writer, ledger, from, until string) error {
	p, err := period(from, until)
	if err != nil {
		return err
	}
	return app.WriteStatement(to, ledger, p.From, p.Until)
}
