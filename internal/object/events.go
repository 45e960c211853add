package object

import "github.com/paybuf/paybuf/payment"

// Where events are shown: those of one payment, and all of a tenant.
const (
	EventsItemPattern = ItemPattern + "/events"
	FeedPath          = "/v1/events"
)

// EventList is the wire form of events of one payment, oldest first.
type EventList struct {
	Object  string  `json:"object"` // "list"
	Data    []Event `json:"data"`
	HasMore bool    `json:"has_more"` // behind the sequence of the last
}

// Feed is the wire form of a part of a tenant's feed.
type Feed struct {
	Object     string  `json:"object"` // "list"
	Data       []Event `json:"data"`
	NextCursor string  `json:"next_cursor"` // where to go on, now or later
	HasMore    bool    `json:"has_more"`    // now
}

// EventsOf shows events in the order given.
func EventsOf(events []payment.Event, more bool, base string) EventList {
	return EventList{Object: "list", Data: eventsOf(events, base), HasMore: more}
}

// FeedOf shows a part of a feed, and where the next one begins.
func FeedOf(events []payment.Event, next payment.FeedCursor, more bool, base string) Feed {
	return Feed{Object: "list", Data: eventsOf(events, base), NextCursor: next.String(), HasMore: more}
}

func eventsOf(events []payment.Event, base string) []Event {
	shown := make([]Event, 0, len(events))
	for _, e := range events {
		shown = append(shown, EventOf(e, base))
	}
	return shown
}
