package main

import (
	"cmp"
	"crypto/rand"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/paybuf/paybuf/internal/app"
)

func newSecrets() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "secrets FILE",
		Short: "Make the secrets file of a new installation",
		Long: `Draws the secrets that payment ids are derived and API keys are hashed with, and
writes them to a new file that only its owner can read. Give the same file to
every process, and keep a copy: without the id key, order numbers get new ids.

Exit codes: 0 written, 1 it failed, 2 the file exists.`,
		Example: `  paybuf secrets /etc/paybuf/secrets.json`,
		Args:    oneArg("the file to make"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if _, err := app.CreateSecrets(args[0]); err != nil {
				return err
			}
			say(cmd.OutOrStdout(), "wrote %s\n", args[0])
			return nil
		},
	}
	cmd.AddCommand(newWebhookKey())
	return cmd
}

func newWebhookKey() *cobra.Command {
	var id string
	cmd := &cobra.Command{
		Use:   "webhook-key",
		Short: "Make a key that webhooks' secrets are sealed with",
		Long: `Draws a key and prints it, alone, on standard output, in the form that the variable
PAYBUF_WEBHOOK_KEYS has: id:BASE64, several of them comma separated, of which the
first seals and all open. It is kept nowhere: without it, what it has sealed is lost.

Exit codes: 0 printed, 1 it failed, 2 the id must change.`,
		Example: `  paybuf secrets webhook-key --id 2026a`,
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			key, err := app.NewWebhookKey(cmp.Or(id, newKeyID()))
			if err != nil {
				return err
			}
			say(cmd.OutOrStdout(), "%s\n", key)
			return nil
		},
	}
	cmd.Flags().StringVar(&id, "id", "", "what the key is called: 1 to 32 characters of a-z, 0-9, - and _ (default: one that begins with the date)")
	return cmd
}

// newKeyID is one that tells a key's age and that nobody else has drawn today.
func newKeyID() string {
	return time.Now().UTC().Format("20060102") + "-" + strings.ToLower(rand.Text()[:4])
}
