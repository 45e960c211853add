package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/paybuf/paybuf/client"
	"github.com/paybuf/paybuf/internal/submit"
	"github.com/paybuf/paybuf/payment"
)

// orderPaymentsMax is how many payments of one order are shown.
const orderPaymentsMax = 1000

// find gives the payment of an id, or those of an order number, of which each tries the
// one before it again.
func (f *apiFlags) find(ctx context.Context, api *client.Client, what string) ([]client.Payment, error) {
	if id, err := payment.ParseID(what); err == nil {
		found, err := api.Get(ctx, id)
		return []client.Payment{found}, f.explained(ctx, err)
	}
	var found []client.Payment
	for listed, err := range api.Payments(ctx, client.ListOptions{OrderNumber: what}) {
		if err != nil {
			return nil, f.explained(ctx, err)
		}
		if found = append(found, listed); len(found) == orderPaymentsMax {
			break
		}
	}
	if len(found) == 0 {
		return nil, &payment.Error{Code: payment.CodeNotFound,
			Detail: fmt.Sprintf("there is no payment with the order number %s", submit.Printable(what))}
	}
	return found, nil
}

// last is the place of the payment that none of the others tries again.
func last(payments []client.Payment) int {
	for i, p := range payments {
		if p.RetriedBy == "" {
			return i
		}
	}
	return len(payments) - 1
}

// ending is the exit code of a state that was waited for; nil if the payment is paid.
func ending(state payment.State) error {
	switch state {
	case payment.Succeeded:
		return nil
	case payment.Failed, payment.Canceled, payment.Parked:
		return &exitError{code: exitDiffers}
	default:
		return &exitError{code: exitFailed}
	}
}

// amount is "-" if there is none.
func amount(minor int64, currency string) string {
	money, err := payment.NewMoney(minor, currency)
	if err != nil {
		return "-"
	}
	return money.String()
}

func why(failure client.Failure) string {
	return whyOf(payment.Failure{Code: failure.Code, Message: failure.Message})
}

// onePayment is oneArg for a payment.
func onePayment() cobra.PositionalArgs { return oneArg("the payment's id, or its order number") }
