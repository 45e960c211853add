package query

import (
	"encoding/base64"
	"strconv"
	"strings"

	"github.com/paybuf/paybuf/payment"
)

const cursorBytesMax = 200

// Cursor names a place in a list, in a form that nobody takes for something to
// calculate with.
func Cursor(place string) string { return base64.RawURLEncoding.EncodeToString([]byte(place)) }

// PlaceOf gives what Cursor was given, "" for what it did not write.
func PlaceOf(cursor string) string {
	if len(cursor) > cursorBytesMax {
		return ""
	}
	place, _ := base64.RawURLEncoding.DecodeString(cursor)
	if Cursor(string(place)) != cursor { // what is left of a wrong one is wrong too
		return ""
	}
	return string(place)
}

// NumberCursor names the place with a number in a list of a kind.
func NumberCursor(kind string, number int64) string {
	return Cursor(kind + strconv.FormatInt(number, 10))
}

// NumberOf gives the number of a place in a list of a kind, and whether it is one.
func NumberOf(kind, cursor string) (number int64, ok bool) {
	digits, ok := strings.CutPrefix(PlaceOf(cursor), kind)
	if !ok {
		return 0, false
	}
	number, err := strconv.ParseInt(digits, 10, 64)
	return number, err == nil && number >= 0 && NumberCursor(kind, number) == cursor
}

// BadCursor refuses a cursor that is none of ours.
func BadCursor() error {
	return &payment.Error{Code: payment.CodeInvalid, Detail: CursorParameter + " must be the next_cursor of an answer"}
}
