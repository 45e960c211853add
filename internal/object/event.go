package object

import (
	"github.com/paybuf/paybuf/payment"
)

// Event is the wire form of one change of a payment, and as it is the body of a
// webhook (Standard Webhooks 1.0.0: type, timestamp, data). An event has the same
// bytes whenever and wherever it is shown, but for the base of the status URL.
type Event struct {
	ID        string      `json:"id"`
	Object    string      `json:"object"` // "event"
	Type      string      `json:"type"`
	Timestamp string      `json:"timestamp"`
	Sequence  int64       `json:"sequence"` // below 2^53: exact in a double
	PaymentID *payment.ID `json:"payment_id"`
	Version   int64       `json:"version"`
	Changes   Changes     `json:"changes"`
	Data      *EventData  `json:"data"`
}

// Changes are what the event changed: null of what it did not.
type Changes struct {
	State *StateChange `json:"state"`
}

// StateChange is a step of the table of states. From is null if it is not known.
type StateChange struct {
	From *payment.State `json:"from"`
	To   payment.State  `json:"to"`
}

// EventData is the payment as the event left it. Of what can still change there is
// only the state: payer_reference is null unless the state is final, failure unless
// it is failed or parked.
type EventData struct {
	ID             payment.ID        `json:"id"`
	Object         string            `json:"object"` // "payment"
	OrderNumber    string            `json:"order_number"`
	Amount         *int64            `json:"amount"`
	Currency       *string           `json:"currency"`
	State          payment.State     `json:"state"`
	Final          bool              `json:"final"`
	Version        int64             `json:"version"`
	StatusURL      string            `json:"status_url"`
	AcceptedAt     *string           `json:"accepted_at"`
	Customer       *string           `json:"customer"`
	Description    *string           `json:"description"`
	Metadata       map[string]string `json:"metadata"`
	NotBefore      *string           `json:"not_before"`
	RetryOf        *payment.ID       `json:"retry_of"`
	PayerReference *string           `json:"payer_reference"`
	Failure        *Failure          `json:"failure"`
}

// EventOf shows an event. base is what Base gives.
func EventOf(e payment.Event, base string) Event {
	shown := Event{
		ID:        e.ID(),
		Object:    "event",
		Type:      e.Type,
		Timestamp: timeText(e.At),
		Sequence:  e.Sequence,
		PaymentID: orNull(e.PaymentID),
		Version:   e.Version,
	}
	if e.PaymentID == "" {
		return shown
	}
	if e.Type != payment.EventConflict {
		shown.Changes.State = &StateChange{From: orNull(e.Was), To: e.State}
	}
	shown.Data = &EventData{
		ID:             e.PaymentID,
		Object:         "payment",
		OrderNumber:    e.Request.OrderNumber,
		Amount:         orNull(e.Request.Money.Minor()),
		Currency:       orNull(e.Request.Money.Currency()),
		State:          e.State,
		Final:          e.State.Final(),
		Version:        e.Version,
		StatusURL:      base + Path(e.PaymentID),
		AcceptedAt:     timeOrNull(e.Request.AcceptedAt),
		Customer:       orNull(e.Request.Customer),
		Description:    orNull(e.Request.Description),
		Metadata:       e.Request.Metadata,
		NotBefore:      timeOrNull(e.Request.NotBefore),
		RetryOf:        orNull(e.Request.RetryOf),
		PayerReference: orNull(e.PayerReference),
	}
	if e.Failure != (payment.Failure{}) {
		shown.Data.Failure = &Failure{Code: e.Failure.Code, Message: e.Failure.Message}
	}
	return shown
}
