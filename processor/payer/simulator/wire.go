package simulator

import (
	"github.com/go-json-experiment/json/jsontext"

	"github.com/paybuf/paybuf/payment"
)

// chargeRequest is the body of POST /charges.
type chargeRequest struct {
	Reference     string         `json:"reference"`
	OrderNumber   string         `json:"order_number"`
	Amount        int64          `json:"amount"`
	Currency      string         `json:"currency"`
	PaymentMethod string         `json:"payment_method"`
	Customer      string         `json:"customer"`
	Metadata      jsontext.Value `json:"metadata"` // read over
}

// order uses the fingerprint that a payment.Request has, so that a key means the
// same over HTTP and in-process.
func (c chargeRequest) order(key string, money payment.Money) order {
	fingerprint := payment.Request{
		OrderNumber:   c.OrderNumber,
		Money:         money,
		PaymentMethod: c.PaymentMethod,
		Customer:      c.Customer,
	}.Fingerprint()
	if key == c.Reference {
		key = c.Reference // one copy in memory: they are the same by default
	}
	return order{
		reference: c.Reference, key: key, money: money, body: digest(fingerprint[:len(digest{})]),
		declines: c.PaymentMethod == DeclinedMethod,
	}
}

// chargeObject is how a charge is told.
type chargeObject struct {
	ID          string  `json:"id"`
	Reference   string  `json:"reference"`
	Status      status  `json:"status"`
	Amount      int64   `json:"amount"`
	Currency    string  `json:"currency"`
	DeclineCode *string `json:"decline_code"`
}

func newChargeObject(r reply) chargeObject {
	object := chargeObject{
		ID:        chargeID(r.op.number),
		Reference: r.op.reference,
		Status:    r.status,
		Amount:    r.amount,
		Currency:  r.op.money.Currency(),
	}
	if r.status == declined {
		code := declineCode
		object.DeclineCode = &code
	}
	return object
}

// voidObject tells that nothing of a reference stays charged.
type voidObject struct {
	Reference string `json:"reference"`
	Status    status `json:"status"`
}

// problem is how everything else is told.
type problem struct {
	Error     string `json:"error"`
	Message   string `json:"message"`
	Reference string `json:"reference,omitzero"`
}
