package table

import (
	"strings"
	"testing"
)

func TestAmount_isExact(t *testing.T) {
	for _, c := range []struct {
		text, currency string
		unit           Unit
		want           int64
	}{
		{"1999", "EUR", Minor, 1999},
		{" 1999 ", "EUR", Minor, 1999},
		{"128.45", "BRL", Major, 12845},
		{"541.0", "BRL", Major, 54100},
		{"1", "JPY", Major, 1},
		{"1.500", "KWD", Major, 1500},
		{"0.29", "EUR", Major, 29},                    // 28.999999999999996 as a float
		{"9007199254.93", "EUR", Major, 900719925493}, // beyond a float32
	} {
		got, err := Amount(c.text, c.currency, c.unit)
		if err != nil || got != c.want {
			t.Errorf("%q %s %s: got %d, %v, want %d", c.text, c.unit, c.currency, got, err, c.want)
		}
	}
}

func TestAmount_leavesToOthersWhatMayBe(t *testing.T) {
	for _, c := range []struct {
		text string
		unit Unit
		want int64
	}{
		{"0", Minor, 0},
		{"-5", Minor, -5},
		{"9223372036854775807", Minor, 1<<63 - 1},
		{"0", Major, 0},
		{"0.00", Major, 0},
		{"000.", Major, 0},
	} {
		got, err := Amount(c.text, "no currency", c.unit)
		if err != nil || got != c.want {
			t.Errorf("%q %s: got %d, %v, want %d", c.text, c.unit, got, err, c.want)
		}
	}
}

func TestAmount_refusesWhatIsNoAmountWithoutRepeatingIt(t *testing.T) {
	for _, c := range []struct {
		text, currency string
		unit           Unit
		want           string
	}{
		{"", "EUR", Minor, "whole number"},
		{"12.50", "EUR", Minor, "whole number"},
		{"4111111111111111111111", "EUR", Minor, "whole number"},
		{"", "EUR", Major, "decimal number"},
		{".", "EUR", Major, "decimal number"},
		{"abc", "EUR", Major, "decimal number"},
		{"1.234,50", "EUR", Major, "decimal number"},
		{"-1.00", "EUR", Major, "decimal number"},
		{"1e3", "EUR", Major, "decimal number"},
		{"1.005", "EUR", Major, "more decimals than the 2 of EUR"},
		{"1.5", "JPY", Major, "more decimals than the 0 of JPY"},
		{"99999999999999999999", "EUR", Major, "at most"},
		{"1.00", "eur", Major, "/currency must be in upper case: EUR"},
		{"1.00", "", Major, "/currency must be"},
	} {
		_, err := Amount(c.text, c.currency, c.unit)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q %s %s: got %v, want %q", c.text, c.unit, c.currency, err, c.want)
		}
		if err != nil && len(c.text) > 3 && strings.Contains(err.Error(), c.text) {
			t.Errorf("%q is repeated: %v", c.text, err)
		}
	}
}
