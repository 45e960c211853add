package buffer

import (
	"fmt"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/paybuf/paybuf/payment"
)

// wireVersion is raised only if a reader of the version before would
// misunderstand a message. Members may be added without raising it: both sides
// of an upgrade read each other's backlog.
const wireVersion = 1

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
	KeyHash       payment.KeyHash   `json:"key_hash,omitzero"` // so that a receipt can restore its binding
}

func encode(r payment.Request) ([]byte, error) {
	data, err := json.Marshal(wireRequest{
		Version:       wireVersion,
		ID:            r.ID,
		Tenant:        r.Tenant,
		OrderNumber:   r.OrderNumber,
		RetryOf:       r.RetryOf,
		AmountMinor:   r.Money.Minor(),
		Currency:      r.Money.Currency(),
		PaymentMethod: r.PaymentMethod,
		Customer:      r.Customer,
		Description:   r.Description,
		Metadata:      r.Metadata,
		AcceptedAt:    r.AcceptedAt.UnixMilli(),
		KeyHash:       r.KeyHash,
	})
	if err != nil {
		return nil, fmt.Errorf("encode %s: %w", r.ID, err)
	}
	return data, nil
}

// decode checks the form again that intake has checked. Whoever may publish to the
// stream can make payments all the same: that is what NATS' own permissions are for.
func decode(data []byte) (payment.Request, error) {
	var wire wireRequest
	if err := json.Unmarshal(data, &wire); err != nil {
		return payment.Request{}, fmt.Errorf("not a payment request: %w", err)
	}
	if wire.Version < 1 || wire.Version > wireVersion {
		return payment.Request{}, fmt.Errorf("schema version %d is not known here (up to %d is)", wire.Version, wireVersion)
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
	return payment.Request{
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
	}, nil
}
