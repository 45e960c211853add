package status

import (
	"strconv"
	"strings"
	"time"

	"github.com/paybuf/paybuf/internal/query"
	"github.com/paybuf/paybuf/payment"
)

const (
	orderNumberParameter   = "order_number"
	createdAfterParameter  = "created_after"
	createdBeforeParameter = "created_before"
)

const (
	placeCursorKind = "p:"                    // of a tenant's list
	orderCursorKind = "o:"                    // of an order's
	placeMicrosMax  = 253_402_300_800_000_000 // the year 10000, as far as times can be written
)

// listQuery is what a list is asked for.
type listQuery struct {
	payment.ListFilter

	behind payment.ID // of an order: the last payment of the page before, "" for the first page
}

// listQueryOf reads the query of a list of payments.
func listQueryOf(rawQuery string) (listQuery, error) {
	q, err := query.Read(rawQuery, orderNumberParameter, stateParameter, createdAfterParameter,
		createdBeforeParameter, query.LimitParameter, query.CursorParameter)
	if err != nil {
		return listQuery{}, err
	}
	asked := listQuery{ListFilter: payment.ListFilter{
		OrderNumber: orderNumberOf(q), State: stateOf(q),
		CreatedAfter: q.Time(createdAfterParameter), CreatedBefore: q.Time(createdBeforeParameter),
		Limit: q.Limit(),
	}}
	asked.setCursor(q)
	if q.Err() == nil {
		asked.check(q)
	}
	return asked, q.Err()
}

// check refuses what contradicts itself.
func (l *listQuery) check(q *query.Query) {
	ordered := l.OrderNumber != ""
	switch {
	case l.State == payment.Queued && !ordered:
		q.Refuse("payments that are queued are in no list yet: give their order_number too, or ask for one " +
			"by its id, or for a batch with /v1/batches/{id}/payments?state=queued")
	case ordered && l.From != payment.ListPlace{}, !ordered && l.behind != "":
		q.Refuse("cursor is of another list: with it, give the parameters of the page that it came with")
	}
}

func orderNumberOf(q *query.Query) string {
	value, given := q.Text(orderNumberParameter)
	if !given {
		return ""
	}
	if err := payment.CheckOrderNumber(value); err != nil {
		q.RefuseFor(err)
	}
	return value
}

// cursorAfter names a place of the tenant's list. It is a place whatever the filter, so
// with another one it misses nothing either.
func cursorAfter(place payment.ListPlace) string {
	return query.Cursor(placeCursorKind + strconv.FormatInt(place.CreatedAt.UnixMicro(), 10) + ":" + string(place.ID))
}

// cursorBehind names a payment of an order's list.
func cursorBehind(id payment.ID) string { return query.Cursor(orderCursorKind + string(id)) }

func (l *listQuery) setCursor(q *query.Query) {
	cursor, given := q.Text(query.CursorParameter)
	if !given {
		return
	}
	place := query.PlaceOf(cursor)
	if id, ok := strings.CutPrefix(place, orderCursorKind); ok {
		l.behind = payment.ID(id)
		checkCursor(q, cursor, cursorBehind(l.behind), l.behind)
		return
	}
	claimed, _ := strings.CutPrefix(place, placeCursorKind)
	micros, id, _ := strings.Cut(claimed, ":")
	at, err := strconv.ParseInt(micros, 10, 64)
	if err != nil || at < 0 || at > placeMicrosMax {
		q.RefuseCursor()
		return
	}
	l.From = payment.ListPlace{CreatedAt: time.UnixMicro(at).UTC(), ID: payment.ID(id)}
	checkCursor(q, cursor, cursorAfter(l.From), l.From.ID)
}

// checkCursor refuses a cursor that was not written by us.
func checkCursor(q *query.Query, given, ours string, id payment.ID) {
	if _, err := payment.ParseID(string(id)); err != nil || given != ours {
		q.RefuseCursor()
	}
}
