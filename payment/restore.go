package payment

import "fmt"

// RestoreMoney gives back an amount that NewMoney accepted once, for a boundary
// that has kept it. It does not ask whether the currency is still active: what
// was accepted before a currency was withdrawn must still be read, paid or
// explained.
func RestoreMoney(minor int64, code string) (Money, error) {
	if len(code) != 3 || minor < 1 || minor > AmountMinorMax {
		return Money{}, fmt.Errorf("not an amount that was kept: %d %q", minor, code)
	}
	return Money{minor: minor, currency: code}, nil
}
