package payment

import "errors"

// RestoreMoney gives back an amount that NewMoney accepted once, for a boundary
// that has kept it. It does not ask whether the currency is still active: what
// was accepted before a currency was withdrawn must still be read, paid or
// explained.
func RestoreMoney(minor int64, code string) (Money, error) {
	if len(code) != 3 || minor < 1 || minor > AmountMinorMax {
		// The text is not repeated: it may be anything.
		return Money{}, errors.New("not an amount that was kept")
	}
	return Money{minor: minor, currency: code}, nil
}
