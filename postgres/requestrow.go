package postgres

import (
	"time"

	"github.com/go-json-experiment/json"

	"github.com/paybuf/paybuf/payment"
)

// requestRow is what an event's payment knows of its request, if it has a row.
type requestRow struct {
	retryOf               *payment.ID
	minor                 *int64
	currency, method      *string
	customer, description *string
	metadata              []byte
	acceptedAt, notBefore *time.Time
}

// fill gives a request what the row knows.
func (r requestRow) fill(request *payment.Request) error {
	if r.retryOf != nil {
		request.RetryOf = *r.retryOf
	}
	if r.minor != nil && r.currency != nil && r.method != nil { // else it is bare
		var err error
		if request.Money, err = payment.RestoreMoney(*r.minor, *r.currency); err != nil {
			return unreadable(request.ID, err)
		}
		request.PaymentMethod = *r.method
		request.AcceptedAt = instant(r.acceptedAt)
	}
	if r.customer != nil {
		request.Customer = *r.customer
	}
	if r.description != nil {
		request.Description = *r.description
	}
	if err := json.Unmarshal(r.metadata, &request.Metadata); err != nil {
		return unreadable(request.ID, err)
	}
	request.NotBefore = instant(r.notBefore)
	return nil
}
