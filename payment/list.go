package payment

import "time"

// ListFilter says which of a tenant's claimed payments to list, the newest claim
// first. What is zero filters nothing.
type ListFilter struct {
	OrderNumber   string
	State         State     // not Queued: what waits in the buffer has no row
	CreatedAfter  time.Time // claimed then or later
	CreatedBefore time.Time // claimed before
	From          ListPlace // only what comes behind it
	Limit         int
}

// ListPlace is the place of one payment in a tenant's list. It never changes. The
// zero value is before the newest.
type ListPlace struct {
	CreatedAt time.Time // of the claim, in microseconds
	ID        ID
}

// ListPage is a part of a list.
type ListPage struct {
	Payments []Payment
	// Next is what to go on from, zero at the end of the list. A page with it may
	// have few payments, or none.
	Next ListPlace
}

// EventPage says which events of a payment to read.
type EventPage struct {
	After int64 // a sequence; 0 for all
	Limit int
}
