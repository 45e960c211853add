package client

import (
	"time"

	"github.com/paybuf/paybuf/payment"
)

// Order is a request to pay, in the API's own shape.
type Order struct {
	// OrderNumber is the caller's name of the payment and its idempotency: the
	// same number is paid once, for ever.
	OrderNumber string `json:"order_number,omitzero"`
	// PaymentToken stands in the place of the order number, if one was asked for
	// with NewToken. Amount and currency must be the token's.
	PaymentToken string `json:"payment_token,omitzero"`
	// AmountMinor is in the currency's minor unit (ISO 4217): 1999 EUR is 19.99
	// euros, 1999 JPY is 1,999 yen.
	AmountMinor   int64             `json:"amount"`
	Currency      string            `json:"currency"`
	PaymentMethod string            `json:"payment_method"` // the payer's token, never a card number
	Customer      string            `json:"customer,omitzero"`
	Description   string            `json:"description,omitzero"`
	Metadata      map[string]string `json:"metadata,omitzero"`
	// RetryOf is the id of the failed or canceled payment of the same order that
	// this one tries again.
	RetryOf payment.ID `json:"retry_of,omitzero"`
	// NotBefore is when the payer may be called, up to 90 days ahead; zero for at
	// once.
	NotBefore time.Time `json:"not_before,omitzero"`
	// IdempotencyKey is optional and sent as the header of that name: 1 to 255
	// visible ASCII characters. For as long as the API keeps it, it stands for this
	// order and no other, and gets the first answer again.
	IdempotencyKey string `json:"-"`
}

// Payment is the API's answer about one payment. Members that the API leaves out
// are zero.
type Payment struct {
	ID             payment.ID    `json:"id"`
	OrderNumber    string        `json:"order_number"`
	AmountMinor    int64         `json:"amount"` // in minor units of Currency
	Currency       string        `json:"currency"`
	State          payment.State `json:"state"`
	Final          bool          `json:"final"` // State never changes again
	Version        int64         `json:"version"`
	StatusURL      string        `json:"status_url"`
	AcceptedAt     time.Time     `json:"accepted_at"`
	UpdatedAt      time.Time     `json:"updated_at"`
	Attempts       int           `json:"attempts"`
	PayerReference string        `json:"payer_reference"`
	Failure        Failure       `json:"failure"`
	NotBefore      time.Time     `json:"not_before"`
	RetryOf        payment.ID    `json:"retry_of"`
	RetriedBy      payment.ID    `json:"retried_by"`
	// Duplicate tells, after Submit, that the order number was known and this is
	// the first answer again.
	Duplicate bool `json:"duplicate"`

	HTTPStatus int           `json:"-"` // of the answer that this was read from
	RetryAfter time.Duration `json:"-"` // when it is worth looking again; 0 if not told
}

// Failure is why a payment failed or was parked; zero otherwise.
type Failure struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}
