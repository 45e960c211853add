package payment

import (
	"errors"
	"strconv"
	"strings"
)

const (
	eventPrefix   = "evt_"
	testEventPart = "test"
)

// ParseEventID reads what Event.ID wrote: whose event it is, "" of a test, and its
// sequence.
func ParseEventID(text string) (ID, int64, error) {
	rest, prefixed := strings.CutPrefix(text, eventPrefix)
	part, digits, parted := strings.Cut(rest, "_")
	sequence, err := strconv.ParseInt(digits, 10, 64)
	e := Event{Sequence: sequence}
	if part != testEventPart {
		e.PaymentID = ID(idPrefix + part)
	}
	if !prefixed || !parted || err != nil || sequence < 1 || e.ID() != text || (part != testEventPart && !encodesID(part)) {
		return "", 0, errors.New("not the id of an event")
	}
	return e.PaymentID, sequence, nil
}
