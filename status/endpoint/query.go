package endpoint

import (
	"net/http"
	"time"

	"github.com/paybuf/paybuf/internal/query"
	"github.com/paybuf/paybuf/payment"
)

// The parameters of queries.
const (
	stateParameter = "state"
	sinceParameter = "since"
)

const deliveryCursorKind = "before:"

// deliveryStates are the filters of a list.
var deliveryStates = map[string][]payment.DeliveryState{
	"waiting":     {payment.DeliveryWaiting},
	"delivered":   {payment.DeliveryDelivered},
	"dead":        {payment.DeliveryDead},
	"undelivered": {payment.DeliveryWaiting, payment.DeliveryDead},
}

// pageOf reads the query of a list of deliveries.
func pageOf(r *http.Request) (payment.DeliveryPage, error) {
	q, err := query.Read(r.URL.RawQuery, stateParameter, query.LimitParameter, query.CursorParameter)
	if err != nil {
		return payment.DeliveryPage{}, err
	}
	page := payment.DeliveryPage{Limit: q.Limit()}
	if state, given := q.Text(stateParameter); given {
		var known bool
		if page.States, known = deliveryStates[state]; !known {
			q.Refuse("state must be waiting, delivered, dead or undelivered")
		}
	}
	if cursor, given := q.Text(query.CursorParameter); given {
		if page.Before, given = query.NumberOf(deliveryCursorKind, cursor); !given || page.Before == 0 {
			q.RefuseCursor()
		}
	}
	return page, q.Err()
}

// cursorBefore names where a page begins. It is "" for nowhere.
func cursorBefore(sequence int64) string {
	if sequence == 0 {
		return ""
	}
	return query.NumberCursor(deliveryCursorKind, sequence)
}

// span is what a recovery is about.
type span struct {
	since time.Time
	after payment.FeedCursor // zero for the beginning
}

func spanOf(r *http.Request) (span, error) {
	q, err := query.Read(r.URL.RawQuery, sinceParameter, query.CursorParameter)
	if err != nil {
		return span{}, err
	}
	q.Require(sinceParameter)
	s := span{since: q.Time(sinceParameter)}
	if cursor, given := q.Text(query.CursorParameter); given {
		if s.after, err = payment.ParseFeedCursor(cursor); err != nil {
			q.RefuseCursor()
		}
	}
	return s, q.Err()
}
