package client

import (
	"context"
	"fmt"
	"iter"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/paybuf/paybuf/payment"
)

const (
	// historyPagesMax bounds the reading of one payment's history, whatever the answers say.
	historyPagesMax = 100
	historyPageSize = 1000
)

// Event is one change of a payment. It says the same in the payment's history, in the
// feed and as the body of a webhook. An event may come more than once: by its ID it is
// known again.
type Event struct {
	ID        string     `json:"id"`
	Type      string     `json:"type"` // "payment." and the state, or one that payment.Event names
	Timestamp time.Time  `json:"timestamp"`
	Sequence  int64      `json:"sequence"`   // grows with each event of one payment
	PaymentID payment.ID `json:"payment_id"` // "" of a test
	Version   int64      `json:"version"`    // of the payment after the change
	Changes   Changes    `json:"changes"`
	Data      EventData  `json:"data"` // zero of a test

	// Cursor is set in a feed only: where to go on reading when this event has been dealt
	// with. It is the place before the event's page, until the page's last: those before
	// it in the page come again.
	Cursor string `json:"-"`
	// JSON is the event as it came.
	JSON []byte `json:"-"`
}

// Changes are what an event changed; nil what it did not.
type Changes struct {
	State *StateChange `json:"state"`
}

// StateChange is a step from one state to the next.
type StateChange struct {
	From payment.State `json:"from"` // "" if it is not known
	To   payment.State `json:"to"`
}

// EventData is the payment as an event left it. Of what can still change there is only
// the state. What was not given is zero.
type EventData struct {
	ID             payment.ID        `json:"id"`
	OrderNumber    string            `json:"order_number"`
	AmountMinor    int64             `json:"amount"` // in minor units of Currency
	Currency       string            `json:"currency"`
	State          payment.State     `json:"state"`
	Final          bool              `json:"final"`
	Version        int64             `json:"version"`
	StatusURL      string            `json:"status_url"`
	AcceptedAt     time.Time         `json:"accepted_at"`
	Customer       string            `json:"customer"`
	Description    string            `json:"description"`
	Metadata       map[string]string `json:"metadata"`
	NotBefore      time.Time         `json:"not_before"`
	RetryOf        payment.ID        `json:"retry_of"`
	PayerReference string            `json:"payer_reference"` // "" unless Final
	Failure        Failure           `json:"failure"`         // zero unless failed or parked
}

// eventList is the wire form of some events.
type eventList struct {
	Data       []jsontext.Value `json:"data"`
	NextCursor string           `json:"next_cursor"` // "" in the history of a payment
	HasMore    bool             `json:"has_more"`
}

// Events reads the history of a payment, the oldest event first. Of one that nobody has
// claimed there is none. An id that the key's tenant does not have is a *Problem with
// status 404.
func (c *Client) Events(ctx context.Context, id payment.ID) ([]Event, error) {
	path := fmt.Sprintf("%s/%s/events?limit=%d", paymentsPath, url.PathEscape(string(id)), historyPageSize)
	var all []Event
	behind := ""
	for range historyPagesMax {
		list, err := c.listEvents(ctx, call{path: path + behind})
		if err != nil {
			return nil, fmt.Errorf("read the events of %s: %w", id, err)
		}
		events, err := list.events()
		if err != nil {
			return nil, fmt.Errorf("read the events of %s: %w", id, err)
		}
		all = append(all, events...)
		if !list.HasMore || len(events) == 0 {
			return all, nil
		}
		behind = "&after=" + strconv.FormatInt(all[len(all)-1].Sequence, 10)
	}
	return nil, fmt.Errorf("read the events of %s: there are more than %d pages", id, historyPagesMax)
}

// Watch gives each event of a payment as it comes, from its first on, until the payment
// is final. An error is the last that is given: the context's, or why the API cannot be
// asked.
func (c *Client) Watch(ctx context.Context, id payment.ID) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		given := map[string]bool{} // by ID: a conflict may come behind events of a higher sequence
		for seen, err := range c.looks(ctx, id, 0) {
			var events []Event
			if err == nil {
				events, err = c.Events(ctx, id) // what was seen is among them by now
			}
			if err != nil {
				yield(Event{}, fmt.Errorf("watch %s: %w", id, err))
				return
			}
			for _, event := range events {
				if !given[event.ID] && !yield(event, nil) {
					return
				}
				given[event.ID] = true
			}
			if seen.Final {
				return
			}
		}
	}
}

// listEvents reads one page.
func (c *Client) listEvents(ctx context.Context, what call) (eventList, error) {
	what.method = http.MethodGet
	ans, err := c.do(ctx, what)
	if err != nil {
		return eventList{}, err
	}
	var list eventList
	if err := json.Unmarshal(ans.body, &list); err != nil {
		return eventList{}, fmt.Errorf("%w: HTTP %d without a list: %w", ErrNoAnswer, ans.status, err)
	}
	return list, nil
}

// events reads what is in a page.
func (l eventList) events() ([]Event, error) {
	events := make([]Event, 0, len(l.Data))
	for _, data := range l.Data {
		event, err := readEvent(data)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrNoAnswer, err)
		}
		events = append(events, event)
	}
	return events, nil
}

// readEvent reads an event and keeps its bytes.
func readEvent(data []byte) (Event, error) {
	var event Event
	if err := json.Unmarshal(data, &event); err != nil {
		return Event{}, fmt.Errorf("not an event: %w", err)
	}
	if event.ID == "" || event.Type == "" {
		return Event{}, errNoEvent
	}
	event.JSON = data
	return event, nil
}
