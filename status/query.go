package status

import (
	"maps"
	"net/url"
	"slices"
	"strconv"
	"unicode/utf8"

	"github.com/paybuf/paybuf/payment"
)

const (
	pageLimitDefault = 100
	pageLimitMax     = 1000
	// nameEchoBytesMax limits how long a name an answer repeats.
	nameEchoBytesMax = 64
)

// eachParameter hands the parameters of a query to set, which refuses what it does not
// know: a filter that is ignored would show what was not asked for.
func eachParameter(rawQuery string, set func(name, value string) error) error {
	query, err := url.ParseQuery(rawQuery)
	if err != nil {
		return &payment.Error{Code: payment.CodeMalformed, Detail: "the query cannot be read"}
	}
	for _, name := range slices.Sorted(maps.Keys(query)) {
		if len(query[name]) > 1 {
			return invalidQuery("a parameter is given more than once" + echo(name))
		}
		if err := set(name, query.Get(name)); err != nil {
			return err
		}
	}
	return nil
}

func unknownParameter(name, known string) error {
	return invalidQuery("the query has an unknown parameter" + echo(name) + "; " + known)
}

func limitOf(value string) (int, error) {
	limit, err := strconv.Atoi(value)
	if err != nil || limit < 1 || limit > pageLimitMax {
		return 0, invalidQuery("limit must be 1 to " + strconv.Itoa(pageLimitMax))
	}
	return limit, nil
}

func stateOf(value string) (payment.State, error) {
	state, err := payment.ParseState(value)
	if err != nil {
		return "", invalidQuery("state must be one of " + stateNames())
	}
	return state, nil
}

// echo repeats a name if it is short, text, and holds no card number.
func echo(name string) string {
	if len(name) > nameEchoBytesMax || !utf8.ValidString(name) || payment.ContainsCardNumber(name) {
		return ""
	}
	return " " + strconv.Quote(name)
}

func invalidQuery(detail string) error {
	return &payment.Error{Code: payment.CodeInvalid, Detail: detail}
}

func invalidCursor() error { return invalidQuery("cursor must be the next_cursor of an answer") }
