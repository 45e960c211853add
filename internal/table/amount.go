package table

import (
	"errors"
	"strconv"
	"strings"

	"github.com/paybuf/paybuf/payment"
)

var errNotMinor = errors.New("/amount must be a whole number of minor units, such as 1999")

// Unit is what the amounts of a file count.
type Unit string

// The units.
const (
	Minor Unit = "minor" // cents, yen: whole numbers, as in the API
	Major Unit = "major" // euros: decimals such as 128.45, converted exactly
)

// Amount gives minor units. Zero is an amount, and so is a negative number of
// minor units: what may be is for the reader of the file to say. The texts of the
// errors do not repeat the amount: a wrongly mapped column may hold anything.
func Amount(text, currency string, unit Unit) (int64, error) {
	text = strings.TrimSpace(text)
	if unit == Minor {
		minor, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return 0, errNotMinor
		}
		return minor, nil
	}
	if isZero(text) {
		return 0, nil
	}
	money, err := payment.ParseMajor(text, currency)
	if err != nil {
		return 0, errors.New(fieldsOf(err))
	}
	return money.Minor(), nil
}

// isZero tells 0, 0.00 and the like, which payment.Money cannot hold.
func isZero(decimal string) bool {
	whole, fraction, _ := strings.Cut(decimal, ".")
	return whole != "" && strings.Trim(whole+fraction, "0") == ""
}

// fieldsOf says what payment finds wrong, field by field.
func fieldsOf(err error) string {
	coded, ok := errors.AsType[*payment.Error](err)
	if !ok {
		return err.Error()
	}
	parts := make([]string, len(coded.Fields))
	for i, field := range coded.Fields {
		parts[i] = field.Pointer + " " + field.Detail
	}
	return strings.Join(parts, "; ")
}
