package status

import (
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/paybuf/paybuf/internal/query"
	"github.com/paybuf/paybuf/payment"
)

const (
	eventStream       = "text/event-stream"
	lastEventIDHeader = "Last-Event-ID"
	waitParameter     = "wait"
	// feedLatest is the cursor behind all that there is.
	feedLatest = "latest"
	// feedWaitMax is how long a read of the feed may wait; more is asked for in vain.
	feedWaitMax = 50 * time.Second
)

// wantsStream tells whether a client asks for server-sent events (HTML Living
// Standard, section 9.2) instead of a list.
func wantsStream(header http.Header) bool {
	for _, list := range header.Values("Accept") {
		for accepted := range strings.SplitSeq(list, ",") {
			mediaType, parameters, err := mime.ParseMediaType(accepted)
			quality, noQuality := strconv.ParseFloat(parameters["q"], 64)
			if err == nil && mediaType == eventStream && (noQuality != nil || quality > 0) {
				return true
			}
		}
	}
	return false
}

// eventPageOf reads the query of a payment's history.
func eventPageOf(rawQuery string) (payment.EventPage, error) {
	q, err := query.Read(rawQuery, afterParameter, query.LimitParameter)
	if err != nil {
		return payment.EventPage{}, err
	}
	page := payment.EventPage{After: sequenceAfter(q), Limit: q.Limit()}
	return page, q.Err()
}

// streamAfter gives the sequence that a stream begins behind: that of the last event
// which the client has, or where it asks to begin.
func streamAfter(r *http.Request) (after int64, err error) {
	q, err := query.Read(r.URL.RawQuery, afterParameter)
	if err != nil {
		return 0, err
	}
	after = sequenceAfter(q)
	if last := r.Header.Get(lastEventIDHeader); last != "" {
		after = sequenceOf(q, lastEventIDHeader, last)
	}
	return after, q.Err()
}

func sequenceAfter(q *query.Query) int64 {
	value, given := q.Text(afterParameter)
	if !given {
		return 0
	}
	return sequenceOf(q, afterParameter, value)
}

func sequenceOf(q *query.Query, name, value string) int64 {
	sequence, err := strconv.ParseInt(value, 10, 64)
	if err != nil || sequence < 0 {
		q.Refuse(name + " must be the sequence of an event of this payment, or 0")
	}
	return sequence
}

// feedQuery is what the feed is asked for.
type feedQuery struct {
	after  payment.FeedCursor
	latest bool // after is behind all that there is
	limit  int
	wait   time.Duration
}

func feedQueryOf(rawQuery string) (feedQuery, error) {
	q, err := query.Read(rawQuery, afterParameter, query.LimitParameter, waitParameter)
	if err != nil {
		return feedQuery{}, err
	}
	asked := feedQuery{limit: q.Limit(), wait: waitOf(q)}
	if after, given := q.Text(afterParameter); given && after != feedLatest {
		if asked.after, err = payment.ParseFeedCursor(after); err != nil {
			q.Refuse("after must be the next_cursor of an answer, or " + feedLatest +
				"; leave it out to begin with the first event")
		}
	} else {
		asked.latest = given
	}
	return asked, q.Err()
}

func waitOf(q *query.Query) time.Duration {
	value, given := q.Text(waitParameter)
	if !given {
		return 0
	}
	seconds, err := strconv.ParseUint(value, 10, 31)
	if err != nil {
		q.Refuse("wait must be a whole number of seconds; more than " +
			strconv.Itoa(int(feedWaitMax.Seconds())) + " count as that")
	}
	return min(time.Duration(seconds)*time.Second, feedWaitMax)
}
