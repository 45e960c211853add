package status

import (
	"strings"

	"github.com/paybuf/paybuf/internal/query"
	"github.com/paybuf/paybuf/payment"
)

// The parameters of queries.
const (
	stateParameter = "state"
	afterParameter = "after"
)

const batchCursorKind = "at:"

// batchPageOf reads the query of a list of a batch's payments.
func batchPageOf(rawQuery string) (payment.BatchPage, error) {
	q, err := query.Read(rawQuery, stateParameter, query.LimitParameter, query.CursorParameter)
	if err != nil {
		return payment.BatchPage{}, err
	}
	page := payment.BatchPage{State: stateOf(q), Limit: q.Limit(), From: positionOf(q)}
	return page, q.Err()
}

// stateOf gives the state that a list is filtered by, "" for none.
func stateOf(q *query.Query) payment.State {
	value, given := q.Text(stateParameter)
	if !given {
		return ""
	}
	state, err := payment.ParseState(value)
	if err != nil {
		q.Refuse(stateParameter + " must be one of " + stateNames())
	}
	return state
}

func stateNames() string {
	var names []string
	for _, state := range payment.States() {
		names = append(names, string(state))
	}
	return strings.Join(names, ", ")
}

// cursorAt names the position where the next page begins.
func cursorAt(position int) string { return query.NumberCursor(batchCursorKind, int64(position)) }

func positionOf(q *query.Query) int {
	cursor, given := q.Text(query.CursorParameter)
	if !given {
		return 0
	}
	position, ok := query.NumberOf(batchCursorKind, cursor)
	if !ok || position > payment.BatchItemsMax {
		q.RefuseCursor()
	}
	return int(position)
}
