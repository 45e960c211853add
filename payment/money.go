package payment

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/bojanz/currency"
)

// AmountMinorMax is the largest amount of one payment, in minor units. It keeps
// every amount exact in an IEEE 754 double, which is what a browser makes of a
// JSON number, and stops a typing error before it reaches a payer.
const AmountMinorMax = 1_000_000_000_000

// Money is a positive amount of one currency in its minor unit (ISO 4217): 1999
// EUR is 19.99 euros, 1999 JPY is 1,999 yen. The zero value is no money at all
// and is what a failed constructor returns.
type Money struct {
	minor    int64
	currency string
}

// NewMoney checks the amount (1 to AmountMinorMax minor units) and the currency
// (an active ISO 4217 code in upper case). Its error is an *Error that names
// each of the two that must change.
func NewMoney(minor int64, code string) (Money, error) {
	var fields []FieldError
	if minor <= 0 {
		fields = append(fields, FieldError{"/amount", "must be greater than 0"})
	}
	if minor > AmountMinorMax {
		fields = append(fields, FieldError{"/amount", fmt.Sprintf("must be at most %d minor units", int64(AmountMinorMax))})
	}
	if _, known := Digits(code); !known {
		fields = append(fields, FieldError{"/currency", currencyProblem(code)})
	}
	if len(fields) > 0 {
		return Money{}, invalid(fields...)
	}
	return Money{minor: minor, currency: code}, nil
}

// ParseMajor reads a decimal number of major units, such as "128.45", and
// refuses one with more decimals than the currency has: an amount is never
// rounded.
func ParseMajor(decimal, code string) (Money, error) {
	digits, known := Digits(code)
	if !known {
		return Money{}, invalid(FieldError{"/currency", currencyProblem(code)})
	}
	whole, fraction, _ := strings.Cut(decimal, ".")
	if !digitsOnly(whole) || whole == "" || !digitsOnly(fraction) || strings.HasSuffix(decimal, ".") {
		return Money{}, invalid(FieldError{"/amount", "must be a decimal number such as 128.45"})
	}
	trimmed := strings.TrimRight(fraction, "0")
	if len(trimmed) > digits {
		return Money{}, invalid(FieldError{"/amount", fmt.Sprintf("has more decimals than the %d of %s", digits, code)})
	}
	padded := whole + trimmed + strings.Repeat("0", digits-len(trimmed))
	minor, err := strconv.ParseInt(padded, 10, 64)
	if err != nil {
		minor = math.MaxInt64 // out of range: NewMoney names the limit
	}
	return NewMoney(minor, code)
}

// Minor is the amount in minor units.
func (m Money) Minor() int64 { return m.minor }

// Currency is the ISO 4217 code.
func (m Money) Currency() string { return m.currency }

// IsZero tells that m was not built by a constructor.
func (m Money) IsZero() bool { return m == Money{} }

// String is for people, in major units: "128.45 BRL".
func (m Money) String() string {
	digits, _ := Digits(m.currency)
	text := strconv.FormatInt(m.minor, 10)
	if digits > 0 {
		if len(text) <= digits {
			text = strings.Repeat("0", digits-len(text)+1) + text
		}
		text = text[:len(text)-digits] + "." + text[len(text)-digits:]
	}
	return strings.TrimSpace(text + " " + m.currency)
}

// Digits is how many decimals the currency's major unit has (EUR 2, JPY 0, KWD
// 3), and whether the code is an active one at all.
func Digits(code string) (digits int, known bool) {
	n, known := currency.GetDigits(code)
	return int(n), known
}

func currencyProblem(code string) string {
	if upper := strings.ToUpper(code); upper != code {
		if _, known := Digits(upper); known {
			return "must be in upper case: " + upper
		}
	}
	return "must be an active ISO 4217 code such as EUR"
}

func digitsOnly(text string) bool {
	for _, r := range text {
		if r < '0' || r > '9' {
			return false
		}
	}
	return true
}
