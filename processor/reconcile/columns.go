package reconcile

import (
	"cmp"
	"errors"
	"fmt"

	"github.com/paybuf/paybuf/internal/table"
)

// Columns maps the columns of a statement, by their names in its header row. The
// zero value of each is its default.
type Columns struct {
	Reference string     // the payment's id; "reference"
	ChargeID  string     // the payer's; "charge_id"
	Status    string     // "status"; if there is none, and none is named, each line is a charge
	Amount    string     // "amount", in AmountUnit
	Unit      table.Unit // Minor
	Currency  string     // "currency"
	// FixedCurrency stands for every row instead.
	FixedCurrency string
	ChargedAt     string // "charged_at": RFC 3339
}

// The names of the columns unless Columns has others.
const (
	referenceColumn = "reference"
	chargeIDColumn  = "charge_id"
	statusColumn    = "status"
	amountColumn    = "amount"
	currencyColumn  = "currency"
	chargedAtColumn = "charged_at"
)

// named is a column and what it is called in errors.
type named struct {
	table.Column
	name string
}

// found are where the parts of a line stand in a record.
type found struct {
	reference, chargeID, status, amount, currency, chargedAt named
}

// find resolves the mapping against a header row.
func (c Columns) find(head table.Header) (found, error) {
	var f found
	for _, wanted := range []struct {
		into  *named
		what  string
		name  string
		usual string
		fixed string
	}{
		{into: &f.reference, what: "reference", name: c.Reference, usual: referenceColumn},
		{into: &f.chargeID, what: "charge id", name: c.ChargeID, usual: chargeIDColumn},
		{into: &f.status, what: "status", name: c.Status, usual: statusColumn, fixed: c.fixedStatus(head)},
		{into: &f.amount, what: "amount", name: c.Amount, usual: amountColumn},
		{into: &f.currency, what: "currency", name: c.Currency, usual: currencyColumn, fixed: c.FixedCurrency},
		{into: &f.chargedAt, what: "time of the charge", name: c.ChargedAt, usual: chargedAtColumn},
	} {
		name := cmp.Or(wanted.name, wanted.usual)
		if wanted.fixed != "" {
			*wanted.into = named{Column: table.Fixed(wanted.fixed), name: name}
			continue
		}
		column, err := head.Resolve(name)
		if err != nil {
			return found{}, fmt.Errorf("%s: %w", wanted.what, err)
		}
		*wanted.into = named{Column: column, name: name}
	}
	return f, nil
}

// fixedStatus is for statements that list nothing but charges.
func (c Columns) fixedStatus(head table.Header) string {
	if c.Status == "" && !head.Has(statusColumn) {
		return statusOfAll
	}
	return ""
}

func (c Columns) check() error {
	switch {
	case c.Unit != "" && c.Unit != table.Minor && c.Unit != table.Major:
		return fmt.Errorf("amount unit %q: must be minor or major", c.Unit)
	case c.Currency != "" && c.FixedCurrency != "":
		return errors.New("currency: give a column or one for all rows, not both")
	}
	return nil
}
