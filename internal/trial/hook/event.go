package hook

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/go-json-experiment/json"

	"github.com/paybuf/paybuf/payment"
)

// Event is what a body holds, as far as a consumer goes by it.
type Event struct {
	ID        string     `json:"id"`
	Type      string     `json:"type"`
	Sequence  int64      `json:"sequence"`
	PaymentID payment.ID `json:"payment_id"`
	Version   int64      `json:"version"`
	Data      *struct {
		OrderNumber string        `json:"order_number"`
		State       payment.State `json:"state"`
		Final       bool          `json:"final"`
	} `json:"data"`
}

// final is the state that the event says the payment has for ever, "" if it does not.
func (e Event) final() payment.State {
	if e.Data == nil || !e.Data.Final {
		return ""
	}
	return e.Data.State
}

// changed is the version that the event brought its payment to, the one before it if
// it is about a conflict.
func (e Event) changed(before int64) int64 {
	if e.Type == payment.EventConflict {
		return before
	}
	return e.Version
}

// read holds a delivery against the form of Standard Webhooks and of an event.
func (d *Delivery) read(method string) (faults []error) {
	claim := func(holds bool, format string, args ...any) {
		if !holds {
			faults = append(faults, fmt.Errorf(format, args...))
		}
	}
	err := json.Unmarshal(d.Body, &d.Event)
	claim(err == nil, "its body is no event: %w", err)
	claim(method == http.MethodPost, "it is a %s", method)
	claim(d.Header.Get("Content-Type") == "application/json", "its type is %q", d.Header.Get("Content-Type"))
	claim(!strings.Contains(d.ID(), "."), "its webhook-id has a dot")
	claim(d.ID() == d.Event.ID, "its body is about %q", d.Event.ID)
	for _, name := range []string{"webhook-id", "webhook-timestamp", "webhook-signature"} {
		claim(len(d.Header.Values(name)) == 1, "it has %d headers %s", len(d.Header.Values(name)), name)
	}
	if data := d.Event.Data; data != nil && d.Event.Type != payment.EventConflict {
		claim(d.Event.Type == payment.EventType(data.State), "it is a %s and its payment is %s", d.Event.Type, data.State)
	}
	return faults
}

func named(d *Delivery, err error) error {
	return fmt.Errorf("delivery of %s at %s: %w", d.ID(), d.At.UTC().Format("15:04:05.000"), err)
}
