package status

import (
	"encoding/base64"
	"strconv"
	"strings"
	"time"

	"github.com/paybuf/paybuf/payment"
)

const (
	placeCursorPrefix = "p:" // of a tenant's list
	orderCursorPrefix = "o:" // of an order's
	cursorBytesMax    = 200
	placeMicrosMax    = 253_402_300_800_000_000 // the year 10000, as far as times can be written
)

// listQuery is what a list is asked for.
type listQuery struct {
	payment.ListFilter

	behind payment.ID // of an order: the last payment of the page before, "" for the first page
}

// listQueryOf reads the query of a list of payments.
func listQueryOf(rawQuery string) (listQuery, error) {
	query := listQuery{ListFilter: payment.ListFilter{Limit: pageLimitDefault}}
	if err := eachParameter(rawQuery, query.set); err != nil {
		return query, err
	}
	ordered := query.OrderNumber != ""
	switch {
	case query.State == payment.Queued && !ordered:
		return query, invalidQuery("payments that are queued are in no list yet: give their order_number too, or ask for one " +
			"by its id, or for a batch with /v1/batches/{id}/payments?state=queued")
	case ordered && query.From != payment.ListPlace{}, !ordered && query.behind != "":
		return query, invalidQuery("cursor is of another list: with it, give the parameters of the page that it came with")
	}
	return query, nil
}

func (q *listQuery) set(name, value string) (err error) {
	switch name {
	case "order_number":
		q.OrderNumber, err = value, payment.CheckOrderNumber(value)
	case "state":
		q.State, err = stateOf(value)
	case "created_after":
		q.CreatedAfter, err = timeOf(name, value)
	case "created_before":
		q.CreatedBefore, err = timeOf(name, value)
	case "limit":
		q.Limit, err = limitOf(value)
	case "cursor":
		err = q.setCursor(value)
	default:
		err = unknownParameter(name, "order_number, state, created_after, created_before, limit and cursor are known")
	}
	return err
}

func timeOf(name, value string) (time.Time, error) {
	at, err := time.Parse(time.RFC3339Nano, value)
	if err != nil {
		return at, invalidQuery(name + " must be an RFC 3339 time such as 2026-11-21T09:00:00Z (in a query, + is written %2B)")
	}
	return at, nil
}

// cursorAfter names a place of the tenant's list, in a form that nobody takes for
// something to calculate with. It is a place whatever the filter, so with another
// one it misses nothing either.
func cursorAfter(place payment.ListPlace) string {
	return opaque(placeCursorPrefix + strconv.FormatInt(place.CreatedAt.UnixMicro(), 10) + ":" + string(place.ID))
}

// cursorBehind names a payment of an order's list.
func cursorBehind(id payment.ID) string { return opaque(orderCursorPrefix + string(id)) }

func opaque(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }

func (q *listQuery) setCursor(cursor string) error {
	if len(cursor) > cursorBytesMax {
		return invalidCursor()
	}
	decoded, _ := base64.RawURLEncoding.DecodeString(cursor) // what is left of a wrong one is wrong too
	if id, ok := strings.CutPrefix(string(decoded), orderCursorPrefix); ok {
		q.behind = payment.ID(id)
		return cursorIs(cursor, cursorBehind(q.behind), q.behind)
	}
	place, _ := strings.CutPrefix(string(decoded), placeCursorPrefix)
	micros, id, _ := strings.Cut(place, ":")
	at, err := strconv.ParseInt(micros, 10, 64)
	if err != nil || at < 0 || at > placeMicrosMax {
		return invalidCursor()
	}
	q.From = payment.ListPlace{CreatedAt: time.UnixMicro(at).UTC(), ID: payment.ID(id)}
	return cursorIs(cursor, cursorAfter(q.From), q.From.ID)
}

// cursorIs refuses a cursor that was not written by us.
func cursorIs(given, ours string, id payment.ID) error {
	if _, err := payment.ParseID(string(id)); err != nil || given != ours {
		return invalidCursor()
	}
	return nil
}
