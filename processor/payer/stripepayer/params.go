package stripepayer

import (
	"errors"
	"math"
	"slices"
	"strings"

	"github.com/stripe/stripe-go/v85"

	"github.com/paybuf/paybuf/payment"
)

// What an intent's metadata tells about its payment.
const (
	metadataID          = "paybuf_id"
	metadataOrderNumber = "paybuf_order_number"
	metadataCustomer    = "paybuf_customer"
)

var errAmount = errors.New("stripe cannot express this amount of the currency")

// Stripe counts some currencies otherwise than ISO 4217: these have no decimals
// there, those in three are rounded to tens, and all others have two, ISK and UGX
// as well. (Stripe's page "Supported currencies", minor units and special cases.)
var (
	withoutDecimals = []string{
		"BIF", "CLP", "DJF", "GNF", "JPY", "KMF", "KRW", "MGA", "PYG", "RWF", "VND", "VUV", "XAF", "XOF", "XPF",
	}
	withThreeDecimals = []string{"BHD", "JOD", "KWD", "OMR", "TND"}
)

// params are the same for the same payment: Stripe compares them with those of
// the key's first use.
func (p *Payer) params(request payment.Request) (*stripe.PaymentIntentCreateParams, error) {
	amount, err := amountOf(request.Money)
	if err != nil {
		return nil, err
	}
	params := &stripe.PaymentIntentCreateParams{
		Amount:             stripe.Int64(amount),
		Currency:           stripe.String(currencyOf(request.Money)),
		Confirm:            stripe.Bool(true),
		PaymentMethod:      stripe.String(request.PaymentMethod),
		PaymentMethodTypes: stripe.StringSlice([]string{"card"}), // no redirects, hence no return_url
		Metadata: map[string]string{
			metadataID: string(request.ID), metadataOrderNumber: request.OrderNumber,
		},
	}
	params.SetIdempotencyKey(string(request.ID))
	if request.Customer != "" {
		params.Metadata[metadataCustomer] = request.Customer
	}
	if strings.HasPrefix(request.Customer, "cus_") { // else it is the tenant's own name for them
		params.Customer = stripe.String(request.Customer)
	}
	if p.cfg.OffSession {
		params.OffSession = stripe.Bool(true)
	} else {
		params.ErrorOnRequiresAction = stripe.Bool(true)
	}
	return params, nil
}

func currencyOf(money payment.Money) string { return strings.ToLower(money.Currency()) }

// amountOf gives an amount as Stripe counts it. None is rounded.
func amountOf(money payment.Money) (int64, error) {
	digits, known := payment.Digits(money.Currency())
	theirs := 2
	switch {
	case !known:
		return 0, errAmount
	case slices.Contains(withoutDecimals, money.Currency()):
		theirs = 0
	case slices.Contains(withThreeDecimals, money.Currency()):
		theirs = 3
	}
	amount := money.Minor()
	for ; digits < theirs; digits++ {
		if amount > math.MaxInt64/10 {
			return 0, errAmount
		}
		amount *= 10
	}
	for ; digits > theirs; digits-- {
		if amount%10 != 0 {
			return 0, errAmount
		}
		amount /= 10
	}
	if theirs == 3 && amount%10 != 0 {
		return 0, errAmount
	}
	return amount, nil
}
