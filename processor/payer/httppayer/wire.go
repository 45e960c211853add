package httppayer

import (
	"errors"
	"fmt"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/paybuf/paybuf/payment"
)

var errNotObject = errors.New("the answer is not a JSON object")

// chargeRequest is the body of POST /charges.
type chargeRequest struct {
	Reference     string            `json:"reference"`
	OrderNumber   string            `json:"order_number"`
	Amount        int64             `json:"amount"`
	Currency      string            `json:"currency"`
	PaymentMethod string            `json:"payment_method"`
	Customer      string            `json:"customer,omitzero"`
	Metadata      map[string]string `json:"metadata,omitempty"` // none is none, nil or not
}

// charge is the payer's charge object. A member that is missing or null is "" or
// nil.
type charge struct {
	ID          string `json:"id"`
	Reference   string `json:"reference"`
	Status      string `json:"status"`
	Amount      *int64 `json:"amount"`
	Currency    string `json:"currency"`
	DeclineCode string `json:"decline_code"`
}

// The statuses of a charge.
const (
	statusSucceeded = "succeeded"
	statusDeclined  = "declined"
	statusPending   = "pending"
	statusVoided    = "voided"
)

// voidAnswer is the payer's word that nothing of a payment stays charged.
type voidAnswer struct {
	Reference string `json:"reference"`
	Status    string `json:"status"`
}

// refusal is the payer's own 404.
type refusal struct {
	Error     string `json:"error"`
	Code      string `json:"code"`
	Reference string `json:"reference"`
}

// encodeCharge gives the same bytes for the same request: payers compare the body
// with that of the key's first use.
func encodeCharge(request payment.Request) ([]byte, error) {
	body, err := json.Marshal(chargeRequest{
		Reference:     string(request.ID),
		OrderNumber:   request.OrderNumber,
		Amount:        request.Money.Minor(),
		Currency:      request.Money.Currency(),
		PaymentMethod: request.PaymentMethod,
		Customer:      request.Customer,
		Metadata:      request.Metadata,
	}, json.Deterministic(true))
	if err != nil {
		return nil, fmt.Errorf("encode the charge: %w", err)
	}
	return body, nil
}

// decode reads one JSON object; json/v2 refuses double members, members in
// another case and bad UTF-8, and `null` is refused here.
func decode[T any](body []byte) (T, error) {
	var object T
	if err := json.Unmarshal(body, &object); err != nil {
		return *new(T), fmt.Errorf("read the answer: %w", err)
	}
	if jsontext.Value(body).Kind() != '{' {
		return *new(T), errNotObject
	}
	return object, nil
}
