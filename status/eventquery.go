package status

import (
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/paybuf/paybuf/payment"
)

const (
	eventStream       = "text/event-stream"
	lastEventIDHeader = "Last-Event-ID"
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
	page := payment.EventPage{Limit: pageLimitDefault}
	err := eachParameter(rawQuery, func(name, value string) (err error) {
		switch name {
		case "after":
			page.After, err = sequenceOf(name, value)
		case "limit":
			page.Limit, err = limitOf(value)
		default:
			err = unknownParameter(name, "after and limit are known")
		}
		return err
	})
	return page, err
}

// streamAfter gives the sequence that a stream begins behind: that of the last event
// which the client has, or where it asks to begin.
func streamAfter(r *http.Request) (after int64, err error) {
	err = eachParameter(r.URL.RawQuery, func(name, value string) (err error) {
		if name != "after" {
			return unknownParameter(name, "of a stream only after is known")
		}
		after, err = sequenceOf(name, value)
		return err
	})
	if last := r.Header.Get(lastEventIDHeader); err == nil && last != "" {
		after, err = sequenceOf(lastEventIDHeader, last)
	}
	return after, err
}

func sequenceOf(name, value string) (int64, error) {
	sequence, err := strconv.ParseInt(value, 10, 64)
	if err != nil || sequence < 0 {
		return 0, invalidQuery(name + " must be the sequence of an event of this payment, or 0")
	}
	return sequence, nil
}

// feedQuery is what the feed is asked for.
type feedQuery struct {
	after  payment.FeedCursor
	latest bool // after is behind all that there is
	limit  int
	wait   time.Duration
}

func feedQueryOf(rawQuery string) (feedQuery, error) {
	query := feedQuery{limit: pageLimitDefault}
	err := eachParameter(rawQuery, func(name, value string) (err error) {
		switch name {
		case "after":
			if query.latest = value == feedLatest; query.latest {
				return nil
			}
			if query.after, err = payment.ParseFeedCursor(value); err != nil {
				return invalidQuery("after must be the next_cursor of an answer, or " + feedLatest +
					"; leave it out to begin with the first event")
			}
		case "limit":
			query.limit, err = limitOf(value)
		case "wait":
			query.wait, err = waitOf(value)
		default:
			err = unknownParameter(name, "after, limit and wait are known")
		}
		return err
	})
	return query, err
}

func waitOf(value string) (time.Duration, error) {
	seconds, err := strconv.ParseUint(value, 10, 31)
	if err != nil {
		return 0, invalidQuery("wait must be a whole number of seconds; more than " +
			strconv.Itoa(int(feedWaitMax.Seconds())) + " count as that")
	}
	return min(time.Duration(seconds)*time.Second, feedWaitMax), nil
}
