// Package query reads the queries of requests: filters, limits, times and cursors.
//
// It promises that nothing in a query is passed over, since a filter that is ignored
// would show, or do, what was not asked for: a parameter that is not known, or is there
// twice, is refused. One answer names all that is wrong, and repeats no card number.
package query

import (
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/paybuf/paybuf/payment"
)

// LimitMax is the most that a page may be asked to hold.
const LimitMax = 1000

// The parameters that all lists have: how many, and where to go on.
const (
	LimitParameter  = "limit"
	CursorParameter = "cursor"
)

const (
	limitDefault = 100
	// nameEchoBytesMax limits how long a name an answer repeats.
	nameEchoBytesMax = 64
	// faultsMax limits how much an answer finds fault with.
	faultsMax = 10
)

// Query is the query of a request, of which all that is wrong is noted, so that one
// answer can name it. What was refused reads as not given.
type Query struct {
	given  url.Values
	values map[string]string // those that are known, and there once
	faults []string
	card   error // that one of them holds a card number
}

// Read reads a query that may have the known parameters. Its error is what makes the
// query unreadable; all else that is wrong is in Err.
func Read(rawQuery string, known ...string) (*Query, error) {
	given, err := url.ParseQuery(rawQuery)
	if err != nil {
		return nil, &payment.Error{Code: payment.CodeMalformed, Detail: "the query cannot be read"}
	}
	q := &Query{given: given, values: map[string]string{}}
	for _, name := range slices.Sorted(maps.Keys(given)) {
		switch {
		case !slices.Contains(known, name):
			q.Refuse("the query has an unknown parameter" + echo(name) + "; " + listOf(known))
		case len(given[name]) > 1:
			q.Refuse(name + " is given more than once")
		default:
			q.values[name] = given.Get(name)
		}
	}
	return q, nil
}

// None refuses a query that has any parameter.
func None(rawQuery string) error {
	q, err := Read(rawQuery)
	if err != nil {
		return err
	}
	return q.Err()
}

// echo repeats a name if it is short, text, and holds no card number.
func echo(name string) string {
	if len(name) > nameEchoBytesMax || !utf8.ValidString(name) || payment.ContainsCardNumber(name) {
		return ""
	}
	return " " + strconv.Quote(name)
}

func listOf(known []string) string {
	switch last := len(known) - 1; last {
	case -1:
		return "none is known here"
	case 0:
		return "only " + known[0] + " is known"
	default:
		return strings.Join(known[:last], ", ") + " and " + known[last] + " are known"
	}
}

// Text gives a parameter as it is.
func (q *Query) Text(name string) (value string, given bool) {
	value, given = q.values[name]
	return value, given
}

// Limit gives the parameter limit: how many a page may hold, 100 unless it says so.
func (q *Query) Limit() int {
	value, given := q.values[LimitParameter]
	if !given {
		return limitDefault
	}
	limit, err := strconv.Atoi(value)
	if err != nil || limit < 1 || limit > LimitMax {
		q.Refuse(LimitParameter + " must be 1 to " + strconv.Itoa(LimitMax))
		return limitDefault
	}
	return limit
}

// Time gives a time, the zero one if it is not given.
func (q *Query) Time(name string) time.Time {
	value, given := q.values[name]
	if !given {
		return time.Time{}
	}
	at, err := time.Parse(time.RFC3339Nano, value)
	if err != nil {
		q.Refuse(name + " must be an RFC 3339 time such as 2026-11-21T09:00:00Z (in a query, + is written %2B)")
	}
	return at
}

// Require refuses a query without a parameter.
func (q *Query) Require(name string) {
	if !q.given.Has(name) {
		q.Refuse(name + " is required")
	}
}

// Refuse notes what is wrong, in words that name the parameter.
func (q *Query) Refuse(fault string) {
	if len(q.faults) < faultsMax {
		q.faults = append(q.faults, fault)
	}
}

// RefuseFor notes the detail of an error.
func (q *Query) RefuseFor(err error) {
	code, detail := payment.CodeOf(err)
	if code == payment.CodeCardNumber {
		q.card = err
	}
	q.Refuse(detail)
}

// RefuseCursor notes that a cursor is none of ours.
func (q *Query) RefuseCursor() { q.RefuseFor(BadCursor()) }

// Err gives all that was noted, nil if nothing was: an *payment.Error with CodeInvalid.
// A card number is refused alone, with CodeCardNumber: where one went astray, nothing
// that came with it is repeated.
func (q *Query) Err() error {
	switch {
	case q.card != nil:
		return q.card
	case len(q.faults) == 0:
		return nil
	}
	return &payment.Error{Code: payment.CodeInvalid, Detail: strings.Join(q.faults, "; ")}
}
