package main

import (
	"fmt"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/spf13/cobra"

	"github.com/paybuf/paybuf/client"
	"github.com/paybuf/paybuf/internal/submit"
)

// placedEvent is an event of the feed as scripts see it, one per line.
type placedEvent struct {
	Cursor string         `json:"cursor"`
	Event  jsontext.Value `json:"event"`
}

// sayJSON prints a value on a line of its own.
func sayJSON(cmd *cobra.Command, value any) error {
	line, err := json.Marshal(value)
	if err != nil {
		return fmt.Errorf("print: %w", err)
	}
	say(cmd.OutOrStdout(), "%s\n", line)
	return nil
}

// compact is an event's own bytes, on one line.
func compact(event client.Event) (jsontext.Value, error) {
	line := jsontext.Value(event.JSON).Clone()
	if err := line.Compact(); err != nil {
		return nil, fmt.Errorf("print %s: %w", event.ID, err)
	}
	return line, nil
}

// step tells people what an event changed, and why.
func step(event client.Event) string {
	text := event.Type
	if change := event.Changes.State; change != nil {
		text = string(change.To)
		if change.From != "" {
			text = string(change.From) + " -> " + text
		}
	}
	if event.Data.Failure.Code != "" {
		text += "  " + submit.Printable(event.Data.Failure.Code)
	}
	return text
}
