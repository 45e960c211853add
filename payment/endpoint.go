package payment

import (
	"crypto/rand"
	"errors"
	"strings"
)

const endpointPrefix = "whe_"

// EndpointsMax is how many webhook endpoints a tenant may have at once.
const EndpointsMax = 50

// NewEndpointID draws an id that nobody can guess.
func NewEndpointID() EndpointID {
	random := make([]byte, idBytes)
	_, _ = rand.Read(random) // never fails: crypto/rand ends the program instead
	return EndpointID(endpointPrefix + idEncoding.EncodeToString(random))
}

// ParseEndpointID checks the form of an id; whether there is such an endpoint is
// another question.
func ParseEndpointID(text string) (EndpointID, error) {
	encoded, prefixed := strings.CutPrefix(text, endpointPrefix)
	if !prefixed || !encodesID(encoded) {
		return "", errors.New("not the id of a webhook endpoint")
	}
	return EndpointID(text), nil
}

// EndpointChange is what its owner changes of an endpoint: nil is as it was.
type EndpointChange struct {
	URL         *string
	Description *string
	EventTypes  *[]string // none: all
	Status      *EndpointStatus
}

// DeliveryPage asks for a part of an endpoint's deliveries, the newest first.
type DeliveryPage struct {
	States []DeliveryState // none: all
	Before int64           // sequences of events below it; 0 for the newest
	Limit  int
}

// Recovery is what came of queueing an endpoint's deliveries of a time again.
type Recovery struct {
	Queued int
	Next   FeedCursor // where to go on; only if not Complete
	// Complete tells that the end of the feed was reached.
	Complete bool
}

// DescriptionProblem tells what is wrong with a description, "" if nothing is.
func DescriptionProblem(text string) string { return textProblem(text, 0, DescriptionBytesMax) }
