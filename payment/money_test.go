package payment

import (
	"errors"
	"strings"
	"testing"
)

func TestNewMoney_refusesWhatIsNoAmount(t *testing.T) {
	for _, test := range []struct {
		minor    int64
		currency string
		pointer  string // "" if accepted
	}{
		{1, "EUR", ""},
		{AmountMinorMax, "EUR", ""},
		{0, "EUR", "/amount"},
		{-1, "EUR", "/amount"},
		{AmountMinorMax + 1, "EUR", "/amount"},
		{100, "", "/currency"},
		{100, "eur", "/currency"},
		{100, "XYZ", "/currency"},
		{100, "EURO", "/currency"},
	} {
		money, err := NewMoney(test.minor, test.currency)
		if test.pointer == "" {
			if err != nil || money.Minor() != test.minor || money.Currency() != test.currency {
				t.Errorf("NewMoney(%d, %q) = %v, %v", test.minor, test.currency, money, err)
			}
			continue
		}
		coded, ok := errors.AsType[*Error](err)
		if !ok || coded.Code != CodeInvalid || len(coded.Fields) != 1 || coded.Fields[0].Pointer != test.pointer {
			t.Errorf("NewMoney(%d, %q) gave %v, want an error at %s", test.minor, test.currency, err, test.pointer)
		}
		if !money.IsZero() {
			t.Errorf("NewMoney(%d, %q) failed and still gave %v", test.minor, test.currency, money)
		}
	}
}

func TestNewMoney_lowerCaseCodeIsToldTheRightOne(t *testing.T) {
	if _, err := NewMoney(1, "eur"); err == nil || !strings.Contains(err.Error(), "EUR") {
		t.Errorf("error %v does not name EUR", err)
	}
}

// The minor units of ISO 4217, list one, for currencies whose digits libraries
// are known to get wrong, and the usual ones.
func TestDigits_areThoseOfISO4217(t *testing.T) {
	for digits, codes := range map[int]string{
		0: "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF",
		2: "AED ALL ARS AUD BRL CAD CHF CNY COP CRC CZK DKK EGP EUR GBP HKD HUF IDR ILS INR IRR KZT LBP " +
			"MGA MRU MXN MYR NGN NOK NZD PHP PKR PLN RON RSD RUB SAR SEK SGD THB TRY TWD UAH USD UYU YER ZAR ZMW",
		3: "BHD IQD JOD KWD LYD OMR TND",
	} {
		for _, code := range strings.Fields(codes) {
			got, known := Digits(code)
			if !known && code == "UYI" {
				continue // a unit of account; not offered
			}
			if !known || got != digits {
				t.Errorf("%s has %d digits (known: %v), ISO 4217 says %d", code, got, known, digits)
			}
		}
	}
}

func TestParseMajor_isExact(t *testing.T) {
	for _, test := range []struct {
		text, currency string
		minor          int64 // 0 if refused
	}{
		{"128.45", "BRL", 12845},
		{"128.5", "BRL", 12850},
		{"541.0", "BRL", 54100},
		{"541", "BRL", 54100},
		{"0.07", "BRL", 7},
		{"1.100", "BRL", 110},
		{"0.29", "EUR", 29}, // 0.29 x 100 is 28.999… in binary
		{"500", "JPY", 500},
		{"500.0", "JPY", 500},
		{"1.234", "KWD", 1234},
		{"10000000000.00", "EUR", AmountMinorMax},
		{"128.455", "BRL", 0},
		{"500.5", "JPY", 0},
		{"0", "BRL", 0},
		{"0.00", "BRL", 0},
		{"-1", "BRL", 0},
		{"+1", "BRL", 0},
		{"", "BRL", 0},
		{".5", "BRL", 0},
		{"5.", "BRL", 0},
		{"1e3", "BRL", 0},
		{"1,50", "BRL", 0},
		{" 1", "BRL", 0},
		{"99999999999999999999", "BRL", 0},
		{"1", "brl", 0},
	} {
		money, err := ParseMajor(test.text, test.currency)
		if (err == nil) != (test.minor > 0) || money.Minor() != test.minor {
			t.Errorf("ParseMajor(%q, %s) = %d, %v; want %d", test.text, test.currency, money.Minor(), err, test.minor)
		}
	}
}

func TestString_isInMajorUnits(t *testing.T) {
	for want, money := range map[string]Money{
		"128.45 BRL": {12845, "BRL"}, "0.07 EUR": {7, "EUR"}, "500 JPY": {500, "JPY"}, "1.234 KWD": {1234, "KWD"},
	} {
		if got := money.String(); got != want {
			t.Errorf("%d %s is shown as %q, want %q", money.minor, money.currency, got, want)
		}
	}
}
