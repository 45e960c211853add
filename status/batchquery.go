package status

import (
	"encoding/base64"
	"strconv"
	"strings"

	"github.com/paybuf/paybuf/payment"
)

const cursorPrefix = "at:"

// batchPageOf reads the query of a list of a batch's payments.
func batchPageOf(rawQuery string) (payment.BatchPage, error) {
	page := payment.BatchPage{Limit: pageLimitDefault}
	err := eachParameter(rawQuery, func(name, value string) (err error) {
		switch name {
		case "state":
			page.State, err = stateOf(value)
		case "limit":
			page.Limit, err = limitOf(value)
		case "cursor":
			page.From, err = positionOf(value)
		default:
			err = unknownParameter(name, "state, limit and cursor are known")
		}
		return err
	})
	return page, err
}

func stateNames() string {
	var names []string
	for _, state := range payment.States() {
		names = append(names, string(state))
	}
	return strings.Join(names, ", ")
}

// cursorAt names the position where the next page begins, in a form that nobody
// takes for a number to calculate with.
func cursorAt(position int) string {
	return base64.RawURLEncoding.EncodeToString([]byte(cursorPrefix + strconv.Itoa(position)))
}

func positionOf(cursor string) (int, error) {
	decoded, _ := base64.RawURLEncoding.DecodeString(cursor) // what is left of a wrong one is wrong too
	digits, prefixed := strings.CutPrefix(string(decoded), cursorPrefix)
	position, err := strconv.Atoi(digits)
	if !prefixed || err != nil || cursorAt(position) != cursor || position < 0 || position > payment.BatchItemsMax {
		return 0, invalidCursor()
	}
	return position, nil
}
