package object

import (
	"strconv"

	"github.com/paybuf/paybuf/payment"
)

// DeliveryPath is the path of a delivery's URL.
func DeliveryPath(d payment.WebhookDelivery) string {
	return EndpointPath(d.Endpoint) + "/deliveries/" + d.Event.ID()
}

var deliveryReasons = map[string]string{
	payment.DeadExhausted:        "all attempts have failed; attempt_log says how; redeliver it when the endpoint works",
	payment.DeadEndpointDisabled: "the endpoint was disabled; enable it and redeliver, or recover all of a time at once",
	payment.DeadEndpointDeleted:  "the endpoint was deleted",
}

// Delivery is the wire form of the telling of one event to one endpoint. Its id is the
// event's, and the webhook-id of every request.
type Delivery struct {
	ID            string                `json:"id"`
	Object        string                `json:"object"` // "webhook_delivery"
	EndpointID    payment.EndpointID    `json:"endpoint_id"`
	Type          string                `json:"type"`
	Sequence      int64                 `json:"sequence"`
	PaymentID     *payment.ID           `json:"payment_id"` // null of a test
	Version       int64                 `json:"version"`
	State         payment.DeliveryState `json:"state"`
	Reason        *Reason               `json:"reason"` // null unless it is dead
	Attempts      int                   `json:"attempts"`
	NextAttemptAt *string               `json:"next_attempt_at"`
	CreatedAt     string                `json:"created_at"` // when the event happened
	UpdatedAt     string                `json:"updated_at"`

	*DeliveryDetails // only where the delivery itself was looked up
}

// DeliveryDetails are what was sent and what came back.
type DeliveryDetails struct {
	Body       Event     `json:"body"`
	AttemptLog []Attempt `json:"attempt_log"`
}

// Attempt is one request of a delivery. What there was none of is null.
type Attempt struct {
	Number          int            `json:"number"`
	URL             string         `json:"url"`
	StartedAt       string         `json:"started_at"`
	TookMS          int64          `json:"took_ms"`
	RequestHeaders  AttemptHeaders `json:"request_headers"`
	HTTPStatus      *int           `json:"http_status"`
	Error           *string        `json:"error"`
	ResponseExcerpt *string        `json:"response_excerpt"`
}

// AttemptHeaders are those that the signature is over, besides the body.
type AttemptHeaders struct {
	ID        string `json:"webhook-id"`
	Timestamp string `json:"webhook-timestamp"`
}

// DeliveryPage is the wire form of a page of deliveries.
type DeliveryPage struct {
	Object     string     `json:"object"` // "list"
	Data       []Delivery `json:"data"`
	NextCursor *string    `json:"next_cursor"`
}

// DeliveryOf shows a delivery.
func DeliveryOf(d payment.WebhookDelivery) Delivery {
	return Delivery{
		ID:            d.Event.ID(),
		Object:        "webhook_delivery",
		EndpointID:    d.Endpoint,
		Type:          d.Event.Type,
		Sequence:      d.Event.Sequence,
		PaymentID:     orNull(d.Event.PaymentID),
		Version:       d.Event.Version,
		State:         d.State,
		Reason:        reasonOrNull(d.Reason, deliveryReasons),
		Attempts:      d.Attempts,
		NextAttemptAt: timeOrNull(d.NextAt),
		CreatedAt:     timeText(d.Event.At),
		UpdatedAt:     timeText(d.UpdatedAt),
	}
}

// DeliveryWith shows a delivery with its body as it is sent and the attempts on record.
// base is the configured public URL, which the body has whoever asks.
func DeliveryWith(d payment.WebhookDelivery, attempts []payment.WebhookAttempt, base string) Delivery {
	shown := DeliveryOf(d)
	shown.DeliveryDetails = &DeliveryDetails{Body: EventOf(d.Event, base), AttemptLog: make([]Attempt, 0, len(attempts))}
	for _, a := range attempts {
		shown.AttemptLog = append(shown.AttemptLog, Attempt{
			Number:    a.Number,
			URL:       a.URL,
			StartedAt: timeText(a.StartedAt),
			TookMS:    a.Took.Milliseconds(),
			RequestHeaders: AttemptHeaders{
				ID: shown.ID, Timestamp: strconv.FormatInt(a.StartedAt.Unix(), 10),
			},
			HTTPStatus:      orNull(a.HTTPStatus),
			Error:           orNull(a.Error),
			ResponseExcerpt: orNull(a.Excerpt),
		})
	}
	return shown
}

// DeliveryPageOf shows a page; next is the cursor of the next one, "" if it is the last.
func DeliveryPageOf(deliveries []payment.WebhookDelivery, next string) DeliveryPage {
	page := DeliveryPage{Object: "list", Data: make([]Delivery, 0, len(deliveries)), NextCursor: orNull(next)}
	for _, d := range deliveries {
		page.Data = append(page.Data, DeliveryOf(d))
	}
	return page
}

// Recovery is the wire form of what was queued again.
type Recovery struct {
	Object     string  `json:"object"` // "webhook_recovery"
	Queued     int     `json:"queued"`
	NextCursor *string `json:"next_cursor"` // where to go on; null if all was seen to
}

// RecoveryOf shows a recovery.
func RecoveryOf(r payment.Recovery) Recovery {
	shown := Recovery{Object: "webhook_recovery", Queued: r.Queued}
	if !r.Complete {
		shown.NextCursor = new(r.Next.String())
	}
	return shown
}
