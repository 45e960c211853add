package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/paybuf/paybuf/payment"
	"github.com/paybuf/paybuf/processor/payer/httppayer"
	"github.com/paybuf/paybuf/processor/payer/simulator"
	"github.com/paybuf/paybuf/processor/reconcile"
)

// startReconciler starts the standing job of the role processor. Without a place
// to find statements in it still finishes what commands left and counts what is
// open.
func (a *App) startReconciler(context.Context) error {
	if !a.opts.has(RoleProcessor) {
		return nil
	}
	cfg := a.opts.Reconcile
	cfg.Logger = a.log.With(slog.String("part", "reconcile"))
	closeFetcher := func() {}
	if a.opts.StatementURL != "" {
		fetcher, err := httppayer.NewStatements(a.opts.PayerURL, a.opts.StatementURL, a.opts.Payer)
		if err != nil {
			return err
		}
		cfg.Fetcher, closeFetcher = fetcher, fetcher.Close
	}
	if err := checkDir(cfg.Dir); err != nil {
		return err
	}
	a.reconciler = reconcile.NewJob(a.db, cfg)
	running, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { a.reconciler.Run(running) })
	a.onStop("reconciler", func(context.Context) { cancel(); wg.Wait(); closeFetcher() })
	return nil
}

func checkDir(dir string) error {
	if dir == "" {
		return nil
	}
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		return configError(fmt.Sprintf("--statement-dir %s is no directory that can be read", dir))
	}
	return nil
}

// ReconcileProgress is how far a reconciliation has come.
type ReconcileProgress = reconcile.Progress

// ReconcileOptions are what `paybuf reconcile` is told.
type ReconcileOptions struct {
	reconcile.Statement
	File  string    // a path, or "-" for Stdin
	Stdin io.Reader // os.Stdin
}

// Reconcile compares one statement with the ledger. An error about the file has
// CodeConfig: it must be put right.
func (a *Admin) Reconcile(ctx context.Context, opts ReconcileOptions) (reconcile.Summary, error) {
	if err := checkPeriod(opts.Period); err != nil {
		return reconcile.Summary{}, err
	}
	file := opts.Stdin
	if opts.File != "-" {
		opened, err := os.Open(opts.File)
		if err != nil {
			return reconcile.Summary{}, configError(err.Error())
		}
		defer opened.Close() //nolint:errcheck // only read
		file = opened
	}
	opts.Name = cmp.Or(opts.Name, filepath.Base(opts.File))
	if payment.ContainsCardNumber(opts.Name) {
		return reconcile.Summary{}, configError("the statement's name holds what may be a card number; give it another with --name")
	}
	opts.Source = file
	summary, err := reconcile.New(a.db).Run(ctx, opts.Statement)
	if wrong, ok := errors.AsType[*reconcile.FormatError](err); ok {
		return summary, configError(fmt.Sprintf("%s: %v", opts.Name, wrong))
	}
	return summary, err
}

func checkPeriod(p payment.Period) error {
	switch {
	case p == payment.Period{}:
	case p.From.IsZero() || p.Until.IsZero():
		return configError("give both --from and --to, or neither")
	case !p.From.Before(p.Until):
		return configError("--from must be before --to")
	}
	return nil
}

// Discrepancies reads up to limit open discrepancies after an id, oldest first.
func (a *Admin) Discrepancies(ctx context.Context, after int64, limit int) ([]payment.Discrepancy, error) {
	return a.db.Discrepancies(ctx, after, limit)
}

// ResolveDiscrepancy closes one; who and why stay on record.
func (a *Admin) ResolveDiscrepancy(ctx context.Context, id int64, operator, reason string) error {
	if strings.TrimSpace(reason) == "" || operator == "" {
		return configError("give --reason, and --operator if this system does not know who you are")
	}
	if payment.ContainsCardNumber(reason) {
		return configError("the reason holds what may be a card number")
	}
	return a.db.ResolveDiscrepancy(ctx, id, operator, reason)
}

// WriteStatement writes the charges of a simulated payer's ledger as a statement.
func WriteStatement(to io.Writer, ledger string, from, until time.Time) error {
	return simulator.WriteStatement(to, ledger, from, until)
}
