package stripepayer

import (
	"testing"

	"github.com/paybuf/paybuf/payment"
)

func money(t *testing.T, minor int64, currency string) payment.Money {
	t.Helper()
	m, err := payment.NewMoney(minor, currency)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// A decimal place too many or too few is a charge of ten or a hundred times the
// amount.
func TestAmount_isCountedAsStripeCountsIt(t *testing.T) {
	for _, test := range []struct {
		minor    int64
		currency string
		want     int64 // 0 if it cannot be said
	}{
		{1999, "EUR", 1999},
		{1999, "JPY", 1999},
		{1999, "HUF", 1999},
		{1999, "TWD", 1999},
		{5, "ISK", 500},
		{5, "UGX", 500},
		{500, "MGA", 5},
		{501, "MGA", 0},
		{1230, "KWD", 1230},
		{1234, "KWD", 0},
		{1990, "IQD", 199},
		{1999, "IQD", 0},
		{payment.AmountMinorMax, "ISK", 100 * payment.AmountMinorMax},
	} {
		got, err := amountOf(money(t, test.minor, test.currency))
		if (err != nil) != (test.want == 0) || got != test.want {
			t.Errorf("%d %s is %d (%v), want %d", test.minor, test.currency, got, err, test.want)
		}
	}
}

func TestCharge_whatStripeCannotExpressIsNeverSent(t *testing.T) {
	payer, err := New(Config{SecretKey: "sk_test_x", BaseURL: "http://127.0.0.1:1"})
	if err != nil {
		t.Fatal(err)
	}
	defer payer.Close()
	answer := payer.Charge(t.Context(), payment.Request{ID: "pay_x", Money: money(t, 1234, "KWD")})
	if answer.Verdict != payment.VerdictDeclined || answer.Failure.Code != "amount_not_supported" {
		t.Errorf("answer is %+v, want declined: the server cannot be reached", answer)
	}
}
