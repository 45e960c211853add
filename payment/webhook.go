package payment

import "time"

// EndpointID names a webhook endpoint: "whe_" and 26 characters of lower-case base32.
type EndpointID string

// EndpointStatus is whether an endpoint is sent to.
type EndpointStatus string

// The statuses of an endpoint.
const (
	EndpointEnabled  EndpointStatus = "enabled"
	EndpointDisabled EndpointStatus = "disabled"
	EndpointDeleted  EndpointStatus = "deleted" // kept for the log of its deliveries, shown to nobody
)

// Why an endpoint is disabled.
const (
	DisabledByOwner = "owner"
	DisabledGone    = "gone"    // it answered 410
	DisabledFailing = "failing" // nothing has succeeded for days
)

// Endpoint is where a tenant wants to be told of events.
type Endpoint struct {
	ID          EndpointID
	Tenant      TenantID
	URL         string
	Description string
	EventTypes  []string // none: all

	Status       EndpointStatus
	StatusReason string // why it is disabled, "" if it is not
	StatusAt     time.Time
	FailingSince time.Time // zero if the last delivery succeeded, or there was none
	ResumeAt     time.Time // it asked for a pause until then; zero if not

	Secret         Sealed
	OldSecret      Sealed    // signs too until OldSecretUntil; empty if there is none
	OldSecretUntil time.Time // zero if there is none

	CreatedAt, UpdatedAt time.Time
}

// Sealed is a secret encrypted with the key of that name.
type Sealed struct {
	KeyID string
	Data  []byte
}

// DeliveryState is what has become of telling an endpoint of an event.
type DeliveryState string

// The states of a delivery.
const (
	DeliveryWaiting   DeliveryState = "waiting" // due at NextAt, or under way, or behind an earlier one of its payment
	DeliveryDelivered DeliveryState = "delivered"
	DeliveryDead      DeliveryState = "dead" // given up until somebody queues it again
)

// Why a delivery is dead.
const (
	DeadExhausted        = "exhausted" // the schedule is at its end
	DeadEndpointDisabled = "endpoint_disabled"
	DeadEndpointDeleted  = "endpoint_deleted"
)

// WebhookDelivery is the telling of one event to one endpoint.
type WebhookDelivery struct {
	Endpoint  EndpointID
	Event     Event
	State     DeliveryState
	Reason    string // why it is dead, "" if it is not
	Attempts  int    // in all
	Tries     int    // since it was last queued: the place in the schedule
	NextAt    time.Time
	UpdatedAt time.Time
}

// WebhookAttempt is one request of a delivery, and what came back.
type WebhookAttempt struct {
	Endpoint   EndpointID
	Sequence   int64 // of the event
	Number     int   // from 1 on
	URL        string
	StartedAt  time.Time
	Took       time.Duration
	HTTPStatus int    // 0: there was no answer
	Error      string // why it failed, "" if it did not
	Excerpt    string // of the answer's body
}

// DeliveryWant asks for what is due at an endpoint.
type DeliveryWant struct {
	Endpoint EndpointID
	Limit    int
	Not      []int64 // sequences of events that are under way
}

// DeliveryResult is what came of one attempt.
type DeliveryResult struct {
	Attempt WebhookAttempt // without Number, which is counted where it is kept
	State   DeliveryState
	Reason  string        // of Dead
	NextIn  time.Duration // of Waiting, from the write, by the database's clock

	PauseFor time.Duration // the endpoint asked for it; 0 if not
	Gone     bool          // the endpoint wants nothing any more
}
