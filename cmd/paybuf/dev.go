package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/paybuf/paybuf/internal/app"
)

// stopTimeout bounds a graceful stop of everything.
const stopTimeout = 60 * time.Second

func newDev() *cobra.Command {
	var flags appFlags
	var dir string
	cmd := &cobra.Command{
		Use:   "dev",
		Short: "Run all of Paybuf on this machine",
		Long: `Runs ingest, processor, status and webhook in one process, with JetStream inside
it, a private Postgres beside it and, unless --payer names one, a simulated payer.
Needs nothing but Postgres' server programs. Requests from this machine need no
API key, and webhooks may be sent to it.

Everything is kept under --data. Started again on the same directory, also after
kill -9 or a power cut, it goes on where it ended. DIR/dev.json tells other
programs where everything is and appears when dev is ready.

Exit codes: 0 stopped by Ctrl-C or SIGTERM, 1 it failed, 2 the flags or the
configuration must change.`,
		Example: `  paybuf dev
  curl -i 127.0.0.1:8080/v1/payments -H 'Content-Type: application/json' \
    -d '{"order_number":"A-1001","amount":1999,"currency":"EUR","payment_method":"tok_visa"}'`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			opts, err := flags.options(cmd.Flags())
			if err != nil {
				return err
			}
			return runDev(cmd.Context(), app.DevOptions{Options: opts, Dir: dir}, cmd.ErrOrStderr())
		},
	}
	flags.add(cmd.Flags())
	cmd.Flags().StringVar(&dir, "data", defaultDir(), "directory for everything that is kept")
	return cmd
}

func runDev(ctx context.Context, opts app.DevOptions, out io.Writer) error {
	started := time.Now()
	defer app.TuneProcess()()
	say(out, "starting on %s\n", opts.Dir)
	dev, err := app.StartDev(ctx, opts)
	if err != nil {
		return err
	}
	info := dev.Info()
	say(out, `ready in %.1f s

  clients    %s/v1/payments
  operators  %s  (/healthz /readyz /metrics)
  payer      %s
  postgres   %s
  details    %s

`, time.Since(started).Seconds(), info.URL, info.OperatorURL, info.PayerURL, hidePassword(info.PostgresURL),
		filepath.Join(opts.Dir, "dev.json"))
	return waitAndStop(ctx, dev.Fatal(), dev.Stop, out)
}

// waitAndStop waits for the end of ctx or of the process's usefulness.
func waitAndStop(ctx context.Context, fatal <-chan error, stop func(context.Context), out io.Writer) error {
	var failed error
	select {
	case <-ctx.Done():
		say(out, "stopping\n")
	case failed = <-fatal:
	}
	bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
	defer cancel()
	stop(bounded)
	return failed
}

// defaultDir is where a system keeps such data: for root /var/lib, for anybody
// else the XDG base directory.
func defaultDir() string {
	if os.Geteuid() == 0 {
		return "/var/lib/paybuf/dev"
	}
	if dir := os.Getenv("XDG_DATA_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "paybuf", "dev")
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return filepath.Join(os.TempDir(), fmt.Sprintf("paybuf-%d", os.Getuid()))
	}
	return filepath.Join(home, ".local", "share", "paybuf", "dev")
}
