package submit

import (
	"strings"
	"testing"

	"github.com/paybuf/paybuf/client"
	"github.com/paybuf/paybuf/internal/table"
)

// mapped reads one record of a file with a mapping.
func mapped(t *testing.T, header, record string, mapping Columns) client.Order {
	t.Helper()
	orDefault(&mapping.AmountUnit, Minor)
	rows, err := newCSV(strings.NewReader(header+"\n"+record+"\n"), mapping, 1)
	if err != nil {
		t.Fatal(err)
	}
	read, err := rows.next()
	if err != nil || read.unsendable != nil {
		t.Fatalf("got %+v, %v", read.unsendable, err)
	}
	return read.order
}

func TestColumns_areNamedAsInTheAPIByDefault(t *testing.T) {
	got := mapped(t, "customer,amount,currency,ignored, order_number ,payment_method,description",
		"c_1,1999,EUR,x,A-1,tok_visa,two books", Columns{})
	want := client.Order{OrderNumber: "A-1", AmountMinor: 1999, Currency: "EUR", PaymentMethod: "tok_visa",
		Customer: "c_1", Description: "two books"}
	if got.OrderNumber != want.OrderNumber || got.AmountMinor != want.AmountMinor || got.Currency != want.Currency ||
		got.PaymentMethod != want.PaymentMethod || got.Customer != want.Customer || got.Description != want.Description {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func TestColumns_mayBeNamedOrFixed(t *testing.T) {
	got := mapped(t, "id,value,who,what", "A-1,12.5,c_1,books", Columns{
		Order: "id", Amount: "value", AmountUnit: Major, FixedCurrency: "EUR", FixedPaymentMethod: "tok_test",
		Customer: "who", Description: "what",
	})
	if got.OrderNumber != "A-1" || got.AmountMinor != 1250 || got.Currency != "EUR" ||
		got.PaymentMethod != "tok_test" || got.Customer != "c_1" || got.Description != "books" {
		t.Errorf("got %+v", got)
	}
}

func TestColumns_aFixedCurrencyBeatsTheUsualColumn(t *testing.T) {
	got := mapped(t, "order_number,amount,currency,payment_method", "A-1,5,EUR,tok", Columns{FixedCurrency: "BRL"})
	if got.Currency != "BRL" {
		t.Errorf("got %s", got.Currency)
	}
}

func TestColumns_anOrderNumberMayBePutTogether(t *testing.T) {
	const header, record = "id,part,amount,currency,payment_method,{odd}", "A,2,5,EUR,tok,o"
	for template, want := range map[string]string{
		"{id}-{part}":      "A-2",
		"shop/{id}":        "shop/A",
		"{id}{part}{part}": "A22",
		"{id}!":            "A!",
		"{odd}":            "o", // a column of exactly that name
	} {
		if got := mapped(t, header, record, Columns{Order: template}); got.OrderNumber != want {
			t.Errorf("%s: got %q, want %q", template, got.OrderNumber, want)
		}
	}
}

func TestColumns_aMissingOneNamesThoseThatExist(t *testing.T) {
	const header = "order_id,payment_sequential,payment_value,value"
	for _, c := range []struct {
		mapping Columns
		want    []string
	}{
		{Columns{}, []string{`order number: no column "order_number"`,
			`"order_id", "payment_sequential", "payment_value", "value"`}},
		{Columns{Order: "order_ids"}, []string{`did you mean "order_id"?`}},
		{Columns{Order: "Order_ID"}, []string{`did you mean "order_id"?`}},
		{Columns{Order: "order_id-payment_sequential"},
			[]string{`put together in braces, such as "{order_id}-{payment_sequential}"`}},
		{Columns{Order: "{order_id}-{payment_sequentia}"},
			[]string{`no column "payment_sequentia"`, `did you mean "payment_sequential"?`}},
		{Columns{Order: "{order_id"}, []string{"a brace is not closed"}},
		{Columns{Order: "order_id", Amount: "paymentvalue"},
			[]string{"amount: no column", `did you mean "payment_value"?`}},
		{Columns{Order: "order_id", Amount: "value"}, []string{`currency: no column "currency"`}},
		{Columns{Order: "order_id", Amount: "value", FixedCurrency: "EUR"}, []string{"payment method: no column"}},
		{Columns{Order: "order_id", Amount: "value", FixedCurrency: "EUR", FixedPaymentMethod: "tok", Customer: "who"},
			[]string{`customer: no column "who"`}},
	} {
		_, err := findColumns(table.NewHeader(strings.Split(header, ",")), c.mapping)
		for _, want := range c.want {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%+v:\ngot  %v\nwant %s", c.mapping, err, want)
			}
		}
	}
}

func TestColumns_twoOfOneNameAreNotGuessed(t *testing.T) {
	_, err := findColumns(table.Header{"order_number", "amount", "amount"}, Columns{})
	if err == nil || !strings.Contains(err.Error(), `two columns are named "amount"`) {
		t.Errorf("got %v", err)
	}
}
