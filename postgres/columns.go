package postgres

import (
	"time"

	"github.com/go-json-experiment/json"

	"github.com/paybuf/paybuf/payment"
)

// requestColumns are requests turned into the arrays that unnest takes.
type requestColumns struct {
	ids, tenants, orderNumbers, retryOfs []string
	amounts                              []int64
	currencies                           []string
	paymentMethods, customers            []string
	descriptions, metadata               []string
	fingerprints                         [][]byte
	acceptedAts                          []time.Time
	notBefores                           []*time.Time // nil for at once
}

func columnsOf(requests []payment.Request) (requestColumns, error) {
	var c requestColumns
	for _, r := range requests {
		metadata, err := json.Marshal(r.Metadata)
		if err != nil {
			return c, &payment.Error{Code: payment.CodeInvalid, Detail: "metadata cannot be stored", Cause: err}
		}
		fingerprint := r.Fingerprint()
		c.ids = append(c.ids, string(r.ID))
		c.tenants = append(c.tenants, string(r.Tenant))
		c.orderNumbers = append(c.orderNumbers, r.OrderNumber)
		c.retryOfs = append(c.retryOfs, string(r.RetryOf))
		c.amounts = append(c.amounts, r.Money.Minor())
		c.currencies = append(c.currencies, r.Money.Currency())
		c.paymentMethods = append(c.paymentMethods, r.PaymentMethod)
		c.customers = append(c.customers, r.Customer)
		c.descriptions = append(c.descriptions, r.Description)
		c.metadata = append(c.metadata, string(metadata))
		c.fingerprints = append(c.fingerprints, fingerprint[:])
		c.acceptedAts = append(c.acceptedAts, r.AcceptedAt)
		c.notBefores = append(c.notBefores, moment(r.NotBefore))
	}
	return c, nil
}

// moment gives a time as a parameter that may be NULL.
func moment(at time.Time) *time.Time {
	if at.IsZero() {
		return nil
	}
	return &at
}
