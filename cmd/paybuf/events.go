package main

import (
	"errors"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/paybuf/paybuf/client"
	"github.com/paybuf/paybuf/internal/submit"
)

// eventsMaxDefault is how many events are printed if nobody says how many.
const eventsMaxDefault = 100

// eventsFlags are what `paybuf events` is told.
type eventsFlags struct {
	api    apiFlags
	after  string
	follow bool
	limit  int
	asJSON bool

	cursor string // behind what was printed
}

func newEvents() *cobra.Command {
	var f eventsFlags
	cmd := &cobra.Command{
		Use:   "events",
		Short: "Print the events of all payments, and follow them if asked to",
		Long: `Prints your tenant's feed of events, in the order in which they were written, and at
the end, on standard error, the cursor to go on with: nothing is missed between two
runs. With --json each line holds an event, in the bytes of a webhook, and the cursor
to go on with once you have dealt with it ("" for the first event).

Exit codes: 0 printed, 1 Paybuf does not answer or refuses, 2 the flags must change,
130 interrupted, as --follow always is.`,
		Example: `  paybuf events --limit 20
  paybuf events --after latest --follow --json`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return f.run(cmd) },
	}
	f.api.add(cmd.Flags())
	cmd.Flags().StringVar(&f.after, "after", "", "a cursor, or latest (default: from the first event on)")
	cmd.Flags().BoolVar(&f.follow, "follow", false, "go on with what comes, until interrupted")
	cmd.Flags().IntVar(&f.limit, "limit", 0, "how many at most (default: 100, with --follow any number)")
	addJSON(cmd, &f.asJSON)
	return cmd
}

func (f *eventsFlags) options() client.FeedOptions {
	opts := client.FeedOptions{After: f.after, Max: f.limit}
	if !f.follow {
		opts.Wait = -1
		if f.limit == 0 {
			opts.Max = eventsMaxDefault
		}
	}
	return opts
}

func (f *eventsFlags) run(cmd *cobra.Command) error {
	if cmd.Flags().Changed("limit") {
		if err := checkPositive(cmd.Flags(), "limit"); err != nil {
			return err
		}
	}
	api, err := f.api.client(cmd.ErrOrStderr(), apiPatience)
	if err != nil {
		return err
	}
	err = f.print(cmd, api)
	if f.cursor != "" && !f.asJSON {
		say(cmd.ErrOrStderr(), "to go on: --after %s\n", f.cursor)
	}
	return f.api.explained(cmd.Context(), err)
}

// print goes from page to page. Once the API has answered, --follow waits an outage out.
func (f *eventsFlags) print(cmd *cobra.Command, api *client.Client) error {
	for page, err := range api.Pages(cmd.Context(), f.options()) {
		if err != nil {
			if f.follow && f.cursor != "" && cmd.Context().Err() == nil && errors.Is(err, client.ErrNoAnswer) {
				continue // the client has said so
			}
			return err
		}
		for _, event := range page.Events {
			if err := f.printEvent(cmd, event); err != nil {
				return err
			}
		}
		f.cursor = page.NextCursor
	}
	return nil
}

func (f *eventsFlags) printEvent(cmd *cobra.Command, event client.Event) error {
	if f.asJSON {
		line, err := compact(event)
		if err != nil {
			return err
		}
		return sayJSON(cmd, placedEvent{Cursor: event.Cursor, Event: line})
	}
	say(cmd.OutOrStdout(), "%s  %-30s  %-4s  %s  %s  %s\n", shortTime(event.Timestamp), event.PaymentID,
		"v"+strconv.FormatInt(event.Version, 10), step(event), submit.Printable(event.Data.OrderNumber),
		amount(event.Data.AmountMinor, event.Data.Currency))
	return nil
}
