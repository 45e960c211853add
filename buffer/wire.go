package buffer

import (
	"fmt"
	"strconv"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/paybuf/paybuf/payment"
)

// The version of a message is higher only if a reader of the version before would
// misunderstand it. Members may be added without that: both sides of an upgrade
// read each other's backlog.
const (
	wireVersion = 1
	// wireVersionBound is that of a request which must not be paid at once, or not
	// whatever became of another one. A reader of before does not know that, so it
	// has to refuse it (ADR 0019).
	wireVersionBound = 2
)

// wireRequest is a payment as it lies on the stream.
type wireRequest struct {
	Version       int               `json:"v"`
	ID            payment.ID        `json:"id"`
	Tenant        payment.TenantID  `json:"tenant"`
	OrderNumber   string            `json:"order_number"`
	RetryOf       payment.ID        `json:"retry_of,omitzero"`
	AmountMinor   int64             `json:"amount"`
	Currency      string            `json:"currency"`
	PaymentMethod string            `json:"payment_method"`
	Customer      string            `json:"customer,omitzero"`
	Description   string            `json:"description,omitzero"`
	Metadata      map[string]string `json:"metadata,omitempty"`
	AcceptedAt    int64             `json:"accepted_at_ms"`
	NotBefore     *int64            `json:"not_before_ms,omitzero"`
	KeyHash       payment.KeyHash   `json:"key_hash,omitzero"` // so that a receipt can restore its binding
	Mark          int64             `json:"mark,omitzero"`     // of one Put: which of several that were sent twice was stored
}

// keyHashMember is how the member of a request begins that has an idempotency key.
const keyHashMember = `"key_hash":`

// requestBytesFirst is set aside for a request on the stream; few are longer.
const requestBytesFirst = 512

func encode(r payment.Request) []byte {
	return appendRequest(make([]byte, 0, requestBytesFirst), r, 0)
}

// appendRequest writes what decode reads as wireRequest. By hand: this is done
// for each request taken in, and takes a fifth of the time that way.
func appendRequest(b []byte, r payment.Request, mark int64) []byte {
	b = append(b, `{"v":`...)
	b = strconv.AppendInt(b, versionOf(&r), 10)
	b = appendText(b, `,"id":`, string(r.ID))
	b = appendText(b, `,"tenant":`, string(r.Tenant))
	b = appendText(b, `,"order_number":`, r.OrderNumber)
	if r.RetryOf != "" {
		b = appendText(b, `,"retry_of":`, string(r.RetryOf))
	}
	b = append(b, `,"amount":`...)
	b = strconv.AppendInt(b, r.Money.Minor(), 10)
	b = appendText(b, `,"currency":`, r.Money.Currency())
	b = appendText(b, `,"payment_method":`, r.PaymentMethod)
	if r.Customer != "" {
		b = appendText(b, `,"customer":`, r.Customer)
	}
	if r.Description != "" {
		b = appendText(b, `,"description":`, r.Description)
	}
	if len(r.Metadata) > 0 {
		before := `,"metadata":{`
		for name, value := range r.Metadata {
			b = appendText(appendText(b, before, name), ":", value)
			before = ","
		}
		b = append(b, '}')
	}
	b = append(b, `,"accepted_at_ms":`...)
	b = strconv.AppendInt(b, r.AcceptedAt.UnixMilli(), 10)
	if !r.NotBefore.IsZero() {
		b = strconv.AppendInt(append(b, `,"not_before_ms":`...), r.NotBefore.UnixMilli(), 10)
	}
	if mark != 0 {
		b = strconv.AppendInt(append(b, `,"mark":`...), mark, 10)
	}
	if r.KeyHash != "" {
		b = appendText(b, ","+keyHashMember, string(r.KeyHash))
	}
	return append(b, '}')
}

// versionOf is the lowest that every reader of the message understands rightly.
func versionOf(r *payment.Request) int64 {
	if r.RetryOf != "" || !r.NotBefore.IsZero() {
		return wireVersionBound
	}
	return wireVersion
}

// appendText writes a string behind what stands before it. Intake has seen to it
// that texts are UTF-8; the error is for those that are not, which are mended.
func appendText(b []byte, before, text string) []byte {
	b, _ = jsontext.AppendQuote(append(b, before...), text)
	return b
}

// decode checks the form again that intake has checked. Whoever may publish to the
// stream can make payments all the same: that is what NATS' own permissions are for.
func decode(data []byte) (payment.Request, error) {
	request, _, err := decodeMarked(data)
	return request, err
}

// decodeMarked also gives the mark of the Put, 0 if there is none.
func decodeMarked(data []byte) (payment.Request, int64, error) {
	var wire wireRequest
	if err := json.Unmarshal(data, &wire); err != nil {
		return payment.Request{}, 0, fmt.Errorf("not a payment request: %w", err)
	}
	request, err := wire.request()
	return request, wire.Mark, err
}

func (wire wireRequest) request() (payment.Request, error) {
	if wire.Version < 1 || wire.Version > wireVersionBound {
		return payment.Request{}, fmt.Errorf("schema version %d is not known here (up to %d is)", wire.Version, wireVersionBound)
	}
	if _, err := payment.ParseID(string(wire.ID)); err != nil {
		return payment.Request{}, err
	}
	if _, err := payment.ParseTenantID(string(wire.Tenant)); err != nil {
		return payment.Request{}, err
	}
	if wire.OrderNumber == "" || wire.PaymentMethod == "" {
		return payment.Request{}, fmt.Errorf("%s has no order number or no payment method", wire.ID)
	}
	// Not NewMoney: what was accepted before a currency was withdrawn is paid.
	money, err := payment.RestoreMoney(wire.AmountMinor, wire.Currency)
	if err != nil {
		return payment.Request{}, err
	}
	request := payment.Request{
		ID:            wire.ID,
		Tenant:        wire.Tenant,
		OrderNumber:   wire.OrderNumber,
		RetryOf:       wire.RetryOf,
		Money:         money,
		PaymentMethod: wire.PaymentMethod,
		Customer:      wire.Customer,
		Description:   wire.Description,
		Metadata:      wire.Metadata,
		AcceptedAt:    time.UnixMilli(wire.AcceptedAt).UTC(),
		KeyHash:       wire.KeyHash,
	}
	if wire.NotBefore != nil {
		request.NotBefore = time.UnixMilli(*wire.NotBefore).UTC()
	}
	return request, nil
}
