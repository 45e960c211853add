package status

import (
	"encoding/base64"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/paybuf/paybuf/payment"
)

const (
	pageLimitDefault = 100
	pageLimitMax     = 1000
	cursorPrefix     = "at:"
)

// batchPageOf reads the query of a list of a batch's payments. What is not known is
// refused: a filter that is ignored would show payments that were not asked for.
func batchPageOf(rawQuery string) (payment.BatchPage, error) {
	page := payment.BatchPage{Limit: pageLimitDefault}
	query, err := url.ParseQuery(rawQuery)
	if err != nil {
		return page, &payment.Error{Code: payment.CodeMalformed, Detail: "the query cannot be read"}
	}
	for _, name := range slices.Sorted(maps.Keys(query)) {
		if len(query[name]) > 1 {
			return page, invalidQuery("a parameter is given more than once" + echo(name))
		}
		if err := setPage(&page, name, query.Get(name)); err != nil {
			return page, err
		}
	}
	return page, nil
}

func setPage(page *payment.BatchPage, name, value string) (err error) {
	switch name {
	case "state":
		if page.State, err = payment.ParseState(value); err != nil {
			return invalidQuery("state must be one of " + stateNames())
		}
	case "limit":
		if page.Limit, err = strconv.Atoi(value); err != nil || page.Limit < 1 || page.Limit > pageLimitMax {
			return invalidQuery("limit must be 1 to " + strconv.Itoa(pageLimitMax))
		}
	case "cursor":
		if page.From, err = positionOf(value); err != nil {
			return err
		}
	default:
		return invalidQuery("the query has an unknown parameter" + echo(name) + "; state, limit and cursor are known")
	}
	return nil
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
		return 0, invalidQuery("cursor must be the next_cursor of an answer")
	}
	return position, nil
}
