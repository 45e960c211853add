package submit

import (
	"fmt"
	"slices"

	"github.com/paybuf/paybuf/internal/table"
)

// Names of the columns unless Columns has others: those of the API.
const (
	orderColumn         = "order_number"
	amountColumn        = "amount"
	currencyColumn      = "currency"
	paymentMethodColumn = "payment_method"
	customerColumn      = "customer"
	descriptionColumn   = "description"
	notBeforeColumn     = "not_before"
)

// columns are where the parts of an order stand in a record.
type columns struct {
	order, amount, currency, paymentMethod, customer, description, notBefore table.Column
}

// findColumns resolves a mapping against a header row.
func findColumns(head table.Header, mapping Columns) (columns, error) {
	var found columns
	for _, wanted := range []struct {
		into        *table.Column
		what        string
		name, usual string
		fixed       string
		optional    bool
	}{
		{into: &found.order, what: "order number", name: mapping.Order, usual: orderColumn},
		{into: &found.amount, what: "amount", name: mapping.Amount, usual: amountColumn},
		{into: &found.currency, what: "currency", name: mapping.Currency, usual: currencyColumn,
			fixed: mapping.FixedCurrency},
		{into: &found.paymentMethod, what: "payment method", name: mapping.PaymentMethod,
			usual: paymentMethodColumn, fixed: mapping.FixedPaymentMethod},
		{into: &found.customer, what: "customer", name: mapping.Customer, usual: customerColumn, optional: true},
		{into: &found.description, what: "description", name: mapping.Description, usual: descriptionColumn,
			optional: true},
		{into: &found.notBefore, what: "not before", name: mapping.NotBefore, usual: notBeforeColumn,
			fixed: mapping.FixedNotBefore, optional: true},
	} {
		if wanted.fixed != "" {
			*wanted.into = table.Fixed(wanted.fixed)
			continue
		}
		name := wanted.name
		orDefault(&name, wanted.usual)
		if wanted.optional && wanted.name == "" && !slices.Contains(head, name) {
			continue
		}
		resolved, err := head.Resolve(name)
		if err != nil {
			return columns{}, fmt.Errorf("%s: %w", wanted.what, err)
		}
		*wanted.into = resolved
	}
	return found, nil
}
