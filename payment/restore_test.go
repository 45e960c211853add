package payment_test

import (
	"testing"

	"github.com/paybuf/paybuf/payment"
)

func TestRestoreMoney_readsWhatWasAcceptedOnce(t *testing.T) {
	t.Parallel()
	for _, currency := range []string{"EUR", "DEM"} { // the second was withdrawn
		money, err := payment.RestoreMoney(1999, currency)
		if err != nil || money.Minor() != 1999 || money.Currency() != currency {
			t.Errorf("%s: %v, %v", currency, money, err)
		}
	}
	made, err := payment.NewMoney(payment.AmountMinorMax, "JPY")
	if err != nil {
		t.Fatal(err)
	}
	if kept, err := payment.RestoreMoney(made.Minor(), made.Currency()); err != nil || kept != made {
		t.Errorf("%v came back as %v, %v", made, kept, err)
	}
}

func TestRestoreMoney_refusesWhatNeverWas(t *testing.T) {
	t.Parallel()
	for minor, currency := range map[int64]string{
		0: "EUR", -1: "EUR", payment.AmountMinorMax + 1: "EUR", 1: "", 2: "EURO",
	} {
		if money, err := payment.RestoreMoney(minor, currency); err == nil {
			t.Errorf("%d %q became %v", minor, currency, money)
		}
	}
}
