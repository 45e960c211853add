package postgres

import (
	"time"

	"github.com/go-json-experiment/json"

	"github.com/paybuf/paybuf/payment"
)

// requestRow is what is told of the request of an event's payment; all is NULL if that
// has no row.
type requestRow struct {
	retryOf               *payment.ID
	minor                 *int64
	currency, customer    *string
	description           *string
	metadata              []byte
	acceptedAt, notBefore *time.Time
}

// fill gives a request what the row knows, of a payment that is not bare.
func (r requestRow) fill(request *payment.Request) error {
	if r.retryOf != nil {
		request.RetryOf = *r.retryOf
	}
	var err error
	if request.Money, err = payment.RestoreMoney(*r.minor, *r.currency); err != nil {
		return unreadable(request.ID, err)
	}
	if err := json.Unmarshal(r.metadata, &request.Metadata); err != nil {
		return unreadable(request.ID, err)
	}
	request.Customer, request.Description = *r.customer, *r.description
	request.AcceptedAt, request.NotBefore = instant(r.acceptedAt), instant(r.notBefore)
	return nil
}
