package object

import (
	"time"

	"github.com/paybuf/paybuf/payment"
)

// Where webhook endpoints are registered and looked after.
const (
	EndpointCollectionPath = "/v1/webhook-endpoints"
	EndpointItemPattern    = EndpointCollectionPath + "/{id}"
	RotateSecretPattern    = EndpointItemPattern + "/rotate-secret"
	TestEndpointPattern    = EndpointItemPattern + "/test"
	RecoverPattern         = EndpointItemPattern + "/recover"
	DeliveriesPattern      = EndpointItemPattern + "/deliveries"
	DeliveryPattern        = DeliveriesPattern + "/{event}"
	RedeliverPattern       = DeliveryPattern + "/redeliver"
)

// EndpointPath is the path of an endpoint's URL.
func EndpointPath(id payment.EndpointID) string { return EndpointCollectionPath + "/" + string(id) }

// Endpoint is the wire form of a webhook endpoint.
type Endpoint struct {
	ID             payment.EndpointID     `json:"id"`
	Object         string                 `json:"object"` // "webhook_endpoint"
	URL            string                 `json:"url"`
	Description    *string                `json:"description"`
	EventTypes     []string               `json:"event_types"` // empty: all
	Status         payment.EndpointStatus `json:"status"`
	StatusReason   *Reason                `json:"status_reason"` // null unless it is disabled
	StatusAt       string                 `json:"status_at"`
	FailingSince   *string                `json:"failing_since"`
	PausedUntil    *string                `json:"paused_until"`
	OldSecretUntil *string                `json:"old_secret_until"`
	CreatedAt      string                 `json:"created_at"`
	UpdatedAt      string                 `json:"updated_at"`
	Secret         string                 `json:"secret,omitzero"` // only in the answer that made it
}

// Reason is why something is as it is: a code to branch on, and words for people.
type Reason struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

// EndpointList is the wire form of a tenant's endpoints. They fit on one page, so there
// is never a next one; the member is there because other lists have it.
type EndpointList struct {
	Object     string     `json:"object"` // "list"
	Data       []Endpoint `json:"data"`
	NextCursor *string    `json:"next_cursor"`
}

var endpointReasons = map[string]string{
	payment.DisabledByOwner: "you disabled it; enable it with PATCH when it is to be sent to again",
	payment.DisabledGone:    "it answered 410 Gone, which says that it wants nothing any more; if that was a mistake, enable it again",
	payment.DisabledFailing: "no delivery has succeeded since failing_since; mend it, enable it, and recover what it has missed",
}

// reasonOrNull explains a code in words, if it is one that is known.
func reasonOrNull(code string, words map[string]string) *Reason {
	if code == "" {
		return nil
	}
	return &Reason{Code: code, Message: words[code]}
}

// EndpointOf shows an endpoint, without its secrets. A pause that is over at the time
// now is none.
func EndpointOf(e payment.Endpoint, now time.Time) Endpoint {
	shown := Endpoint{
		ID:             e.ID,
		Object:         "webhook_endpoint",
		URL:            e.URL,
		Description:    orNull(e.Description),
		EventTypes:     e.EventTypes,
		Status:         e.Status,
		StatusReason:   reasonOrNull(e.StatusReason, endpointReasons),
		StatusAt:       timeText(e.StatusAt),
		FailingSince:   timeOrNull(e.FailingSince),
		OldSecretUntil: timeOrNull(e.OldSecretUntil),
		CreatedAt:      timeText(e.CreatedAt),
		UpdatedAt:      timeText(e.UpdatedAt),
	}
	if e.ResumeAt.After(now) {
		shown.PausedUntil = timeOrNull(e.ResumeAt)
	}
	return shown
}

// EndpointListOf shows endpoints in the order given.
func EndpointListOf(endpoints []payment.Endpoint, now time.Time) EndpointList {
	list := EndpointList{Object: "list", Data: make([]Endpoint, 0, len(endpoints))}
	for _, e := range endpoints {
		list.Data = append(list.Data, EndpointOf(e, now))
	}
	return list
}
