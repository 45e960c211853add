package endpoint

import (
	"encoding/base64"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/paybuf/paybuf/payment"
)

// The parameters of queries.
const (
	stateParameter  = "state"
	limitParameter  = "limit"
	cursorParameter = "cursor"
	sinceParameter  = "since"
)

const (
	pageLimitDefault = 100
	pageLimitMax     = 1000
	cursorPrefix     = "before:"
	// nameEchoBytesMax is the longest name that an answer repeats.
	nameEchoBytesMax = 64
)

// parametersOf reads a query that may have some parameters, each once. What is not
// known is refused: a filter that is ignored would do more than was asked for.
func parametersOf(r *http.Request, known ...string) (url.Values, error) {
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, &payment.Error{Code: payment.CodeMalformed, Detail: "the query cannot be read"}
	}
	for _, name := range slices.Sorted(maps.Keys(query)) {
		if !slices.Contains(known, name) {
			return nil, invalidQuery("the query has an unknown parameter" + echo(name) + knownNames(known))
		}
		if len(query[name]) > 1 {
			return nil, invalidQuery(name + " is given more than once")
		}
	}
	return query, nil
}

func knownNames(known []string) string {
	if len(known) == 0 {
		return "; none is known here"
	}
	return "; known are " + strings.Join(known, ", ")
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

// deliveryStates are the filters of a list.
var deliveryStates = map[string][]payment.DeliveryState{
	"waiting":     {payment.DeliveryWaiting},
	"delivered":   {payment.DeliveryDelivered},
	"dead":        {payment.DeliveryDead},
	"undelivered": {payment.DeliveryWaiting, payment.DeliveryDead},
}

// pageOf reads the query of a list of deliveries.
func pageOf(r *http.Request) (payment.DeliveryPage, error) {
	page := payment.DeliveryPage{Limit: pageLimitDefault}
	query, err := parametersOf(r, stateParameter, limitParameter, cursorParameter)
	if err != nil {
		return page, err
	}
	if query.Has(stateParameter) {
		states, known := deliveryStates[query.Get(stateParameter)]
		if page.States = states; !known {
			return page, invalidQuery("state must be waiting, delivered, dead or undelivered")
		}
	}
	if query.Has(limitParameter) {
		page.Limit, err = strconv.Atoi(query.Get(limitParameter))
		if err != nil || page.Limit < 1 || page.Limit > pageLimitMax {
			return page, invalidQuery("limit must be 1 to " + strconv.Itoa(pageLimitMax))
		}
	}
	if query.Has(cursorParameter) {
		if page.Before, err = sequenceOf(query.Get(cursorParameter)); err != nil {
			return page, err
		}
	}
	return page, nil
}

// cursorBefore names where a page begins, in a form that nobody takes for a number to
// calculate with. It is "" for nowhere.
func cursorBefore(sequence int64) string {
	if sequence == 0 {
		return ""
	}
	return base64.RawURLEncoding.EncodeToString([]byte(cursorPrefix + strconv.FormatInt(sequence, 10)))
}

func sequenceOf(cursor string) (int64, error) {
	decoded, _ := base64.RawURLEncoding.DecodeString(cursor) // what is left of a wrong one is wrong too
	digits, prefixed := strings.CutPrefix(string(decoded), cursorPrefix)
	sequence, err := strconv.ParseInt(digits, 10, 64)
	if !prefixed || err != nil || sequence < 1 || cursorBefore(sequence) != cursor {
		return 0, invalidQuery("cursor must be the next_cursor of an answer")
	}
	return sequence, nil
}

// span is what a recovery is about.
type span struct {
	since time.Time
	after payment.FeedCursor // zero for the beginning
}

func spanOf(r *http.Request) (span, error) {
	query, err := parametersOf(r, sinceParameter, cursorParameter)
	if err != nil {
		return span{}, err
	}
	var s span
	if s.since, err = time.Parse(time.RFC3339, query.Get(sinceParameter)); err != nil {
		return s, invalidQuery("since must be a time such as 2026-11-21T09:00:00Z (RFC 3339; a + in it is written %2B)")
	}
	if query.Has(cursorParameter) {
		if s.after, err = payment.ParseFeedCursor(query.Get(cursorParameter)); err != nil {
			return s, invalidQuery("cursor must be the next_cursor of an answer")
		}
	}
	return s, nil
}
