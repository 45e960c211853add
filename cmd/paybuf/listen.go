package main

import (
	"github.com/spf13/cobra"

	"github.com/paybuf/paybuf/client"
	"github.com/paybuf/paybuf/internal/listen"
)

func newListen() *cobra.Command {
	var api apiFlags
	var opts listen.Options
	cmd := &cobra.Command{
		Use:   "listen --forward-to URL",
		Short: "Bring events to a program on this machine, like webhooks",
		Long: `Posts each event of your tenant to a URL, signed like a webhook and in the same bytes,
for a program that is being written here and that Paybuf itself cannot reach. Give the
program the signing secret that is printed, unless you bring one. Events of one payment
come one after the other. One that the program does not take is tried again for some
seconds and then skipped, with a line that says so.

It begins with what happens from now on; --after begins elsewhere. With --cursor-file it
keeps how far it has come, and goes on from there the next time. It runs until Ctrl-C.

Exit codes: 0 ended by Ctrl-C, 1 Paybuf does not answer or refuses, or the cursor cannot
be kept, 2 the flags must change.`,
		Example: `  paybuf listen --forward-to http://127.0.0.1:3000/paybuf
  paybuf listen --forward-to http://127.0.0.1:3000/paybuf --types payment.succeeded,payment.failed \
    --cursor-file .paybuf-cursor`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			opts.Stdout = cmd.OutOrStdout()
			if err := opts.Check(); err != nil {
				return usageError{err}
			}
			feed, err := api.client(cmd.ErrOrStderr(), apiPatience)
			if err != nil {
				return err
			}
			return api.explained(cmd.Context(), listen.Run(cmd.Context(), feed, opts))
		},
	}
	api.add(cmd.Flags())
	flags := cmd.Flags()
	flags.StringVar(&opts.ForwardTo, "forward-to", "", "URL of your program")
	flags.StringVar(&opts.After, "after", client.FeedLatest, "a cursor to begin behind, latest, or '' for the first event; a cursor that was kept wins")
	flags.StringVar(&opts.CursorFile, "cursor-file", "", "file in which the cursor is kept")
	flags.StringVar(&opts.Secret, "secret", "", "signing secret, whsec_...; better in PAYBUF_SECRET (default: a new one)")
	flags.StringSliceVar(&opts.Types, "types", nil, "forward only events of these types, such as payment.succeeded")
	return cmd
}
