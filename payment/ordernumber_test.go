package payment_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/paybuf/paybuf/payment"
)

// What can be looked up is what a request may have, no more and no less.
func TestCheckOrderNumber_agreesWithNewRequest(t *testing.T) {
	key, err := payment.NewIDKey(make([]byte, 32))
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		orderNumber string
		want        payment.Code // "" if it is fine
	}{
		{"A-1001", ""},
		{"Bestellung 7/ü", ""},
		{strings.Repeat("x", payment.OrderNumberBytesMax), ""},
		{"", payment.CodeInvalid},
		{" A", payment.CodeInvalid},
		{"A\x00", payment.CodeInvalid},
		{"A\xff", payment.CodeInvalid},
		{strings.Repeat("x", payment.OrderNumberBytesMax+1), payment.CodeInvalid},
		{"4242 4242 4242 4242", payment.CodeCardNumber},
	} {
		_, requestErr := payment.NewRequest(key, "acme", payment.Draft{
			OrderNumber: test.orderNumber, AmountMinor: 1, Currency: "EUR", PaymentMethod: "tok",
		}, time.Now())
		for name, err := range map[string]error{
			"CheckOrderNumber": payment.CheckOrderNumber(test.orderNumber), "NewRequest": requestErr,
		} {
			coded, _ := errors.AsType[*payment.Error](err)
			if got := codeOrNone(coded); got != test.want {
				t.Errorf("%s(%q): got code %q, want %q", name, test.orderNumber, got, test.want)
			}
			if coded != nil && strings.Contains(coded.Detail, "4242") {
				t.Errorf("%s repeats the card number: %s", name, coded.Detail)
			}
		}
	}
}

func codeOrNone(err *payment.Error) payment.Code {
	if err == nil {
		return ""
	}
	return err.Code
}
