package main

import (
	"net/url"
	"os"

	"github.com/spf13/cobra"

	"github.com/paybuf/paybuf/internal/app"
)

func newServe() *cobra.Command {
	var flags appFlags
	var secretsFile string
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run some roles of an installation",
		Long: `Runs the given roles against NATS and Postgres servers of yours. Any number of
processes may have the same role. ingest needs only NATS; processor, status and
webhook need Postgres too, and processor needs the payer. All processes of an
installation share one secrets file. The variable PAYBUF_WEBHOOK_KEYS holds the keys
that webhooks' secrets are sealed with (paybuf secrets webhook-key): webhook needs
them, and status for endpoints to be made.

Exit codes: 0 stopped by Ctrl-C or SIGTERM, 1 it failed, 2 the flags or the
configuration must change.`,
		Example: `  paybuf secrets secrets.json
  paybuf migrate up --postgres postgres://paybuf@db/paybuf
  paybuf serve --roles ingest --nats nats://n1,nats://n2,nats://n3 \
    --secrets-file secrets.json --journal-dir /var/lib/paybuf/journal --listen 127.0.0.1:8080`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			opts, err := flags.options(cmd.Flags())
			if err != nil {
				return err
			}
			if opts.Secrets, err = app.LoadSecrets(secretsFile); err != nil {
				return err
			}
			if err := opts.SetWebhookKeys(os.Getenv(app.WebhookKeysVariable)); err != nil {
				return err
			}
			defer app.TuneProcess()()
			a, err := app.New(opts)
			if err != nil {
				return err
			}
			if err := a.Start(cmd.Context()); err != nil {
				return err
			}
			say(cmd.ErrOrStderr(), "ready: clients %s, operators %s\n", orNobody(a.URL()), a.OperatorURL())
			return waitAndStop(cmd.Context(), a.Fatal(), a.Stop, cmd.ErrOrStderr())
		},
	}
	flags.add(cmd.Flags())
	cmd.Flags().StringVar(&flags.opts.Buffer.URL, "nats", "nats://127.0.0.1:4222", "URLs of the NATS servers, comma separated")
	cmd.Flags().IntVar(&flags.opts.Buffer.Shards, "shards", 1, "streams that payments are spread over; never change it while payments wait")
	cmd.Flags().IntVar(&flags.opts.Buffer.Replicas, "replicas", 1, "copies of each stream")
	cmd.Flags().StringVar(&flags.opts.Buffer.JournalDir, "journal-dir", "", "directory of this node's journal; the role ingest needs it")
	cmd.Flags().StringVar(&flags.opts.PostgresURL, "postgres", "", "URL of the Postgres database")
	cmd.Flags().StringVar(&secretsFile, "secrets-file", "", "file made by the command paybuf secrets")
	return cmd
}

func orNobody(url string) string {
	if url == "" {
		return "none"
	}
	return url
}

// hidePassword makes a URL fit for a screen that others see.
func hidePassword(text string) string {
	parsed, err := url.Parse(text)
	if err != nil {
		return "(unreadable)"
	}
	return parsed.Redacted()
}
