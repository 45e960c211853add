package payment

import (
	"cmp"
	"encoding/binary"
	"errors"
	"math"
	"strconv"
	"strings"
	"time"
)

// Event is one change of a payment, as its tenant sees it. It says the same whenever
// it is read: of the payment it holds the request and, if State is final, what never
// changes any more.
type Event struct {
	Sequence  int64 // grows per installation, and with each event of one payment; not gapless
	Place     int64 // of its transaction; see Cursor
	PaymentID ID    // "" of a test
	Tenant    TenantID
	Version   int64 // of the payment after the change
	Type      string
	State     State   // after the change
	Was       State   // before it; "" if it did not change, or is not known
	Failure   Failure // why, if State is Failed or Parked and known
	At        time.Time

	// Request is without the payment method, which nobody is told; bare if the order was
	// canceled, or conflicted, before it came.
	Request        Request
	PayerReference string // "" unless State is final
}

// EventType names the event of a payment that has come to a state.
func EventType(state State) string { return "payment." + string(state) }

// The events that are no change of state.
const (
	EventConflict = "payment.conflict" // another body came for an order number that exists
	EventTest     = "webhook.test"     // an endpoint's owner asked for it
)

// EventTypes gives all types that a payment's events have. Queued is none: what waits
// in the buffer has no row yet.
func EventTypes() []string {
	var types []string
	for _, state := range States() {
		if state != Queued {
			types = append(types, EventType(state))
		}
	}
	return append(types, EventConflict)
}

// ID names the event for ever and in every delivery: "evt_", the payment's part of its
// id, and the sequence. It has no dot (Standard Webhooks).
func (e Event) ID() string {
	return "evt_" + cmp.Or(strings.TrimPrefix(string(e.PaymentID), idPrefix), "test") + "_" +
		strconv.FormatInt(e.Sequence, 10)
}

// Cursor is the event's place in its tenant's feed.
func (e Event) Cursor() FeedCursor { return FeedCursor{Place: e.Place, Sequence: e.Sequence} }

// FeedCursor is a place between two events of a feed. Events are in the order of the
// transactions that wrote them, and those of one transaction in the order of their
// sequence. The zero value is before the first.
type FeedCursor struct{ Place, Sequence int64 }

const cursorPrefix = "cur_"

var errCursor = errors.New("it is none that this API has given")

// FeedEnd is the cursor behind everything that was written before a place.
func FeedEnd(before int64) FeedCursor { return FeedCursor{Place: before - 1, Sequence: math.MaxInt64} }

// String is the cursor as clients keep it: opaque to them, always the same length.
func (c FeedCursor) String() string {
	raw := binary.BigEndian.AppendUint64(nil, uint64(c.Place))   //nolint:gosec // the same bits
	raw = binary.BigEndian.AppendUint64(raw, uint64(c.Sequence)) //nolint:gosec // as above
	return cursorPrefix + idEncoding.EncodeToString(raw)
}

// ParseFeedCursor reads what String wrote.
func ParseFeedCursor(text string) (FeedCursor, error) {
	encoded, ok := strings.CutPrefix(text, cursorPrefix)
	raw, err := idEncoding.DecodeString(encoded)
	if !ok || err != nil || len(raw) != 16 {
		return FeedCursor{}, errCursor
	}
	c := FeedCursor{
		Place:    int64(binary.BigEndian.Uint64(raw)),     //nolint:gosec // the same bits
		Sequence: int64(binary.BigEndian.Uint64(raw[8:])), //nolint:gosec // as above
	}
	if c.Place < 0 || c.Sequence < 0 || c.String() != text {
		return FeedCursor{}, errCursor
	}
	return c, nil
}

// Change tells those who wait that a payment has come to a version. It is a hint:
// it may be lost, come twice or be about a version that was never written.
type Change struct {
	ID      ID
	Tenant  TenantID
	Version int64
	RetryOf ID // the payment that this one tries again, "" if none: it changes, too
}
