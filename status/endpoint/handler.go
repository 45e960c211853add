// Package endpoint lets tenants register where they want to be told of events, and
// look after what became of telling them.
//
// It promises that a secret is shown once, in the answer that made it, and never
// again; that it is sealed before it is kept; that what was not delivered can be
// listed and queued again; and that another tenant's endpoints and deliveries cannot
// be told from such that do not exist. It sends nothing itself.
package endpoint

import (
	"context"
	"net/http"
	"time"

	"github.com/go-chi/chi/v5"

	"github.com/paybuf/paybuf/internal/object"
	"github.com/paybuf/paybuf/internal/sealed"
	"github.com/paybuf/paybuf/payment"
)

// Registry keeps endpoints. Its errors have CodeNotFound if the tenant has no such
// endpoint, whether or not another has; other codes are given where they belong.
type Registry interface {
	// CreateEndpoint adds an endpoint, or has CodeTooManyEndpoints.
	CreateEndpoint(ctx context.Context, e payment.Endpoint) (payment.Endpoint, error)
	UpdateEndpoint(
		ctx context.Context, tenant payment.TenantID, id payment.EndpointID, change payment.EndpointChange,
	) (payment.Endpoint, error)
	// RotateSecret gives an endpoint another secret; the one so far signs too for the
	// overlap.
	RotateSecret(
		ctx context.Context, tenant payment.TenantID, id payment.EndpointID, secret payment.Sealed, overlap time.Duration,
	) (payment.Endpoint, error)
	DeleteEndpoint(ctx context.Context, tenant payment.TenantID, id payment.EndpointID) error
}

// Reader knows endpoints and their deliveries. Errors are as those of Registry.
type Reader interface {
	Endpoints(ctx context.Context, tenant payment.TenantID) ([]payment.Endpoint, error)
	Endpoint(ctx context.Context, tenant payment.TenantID, id payment.EndpointID) (payment.Endpoint, error)
	// Deliveries gives a page, the newest first, and where the next one begins: before
	// that sequence, 0 if there is none.
	Deliveries(
		ctx context.Context, tenant payment.TenantID, id payment.EndpointID, page payment.DeliveryPage,
	) (found []payment.WebhookDelivery, next int64, err error)
	// Delivery gives the delivery of an event, of which Sequence and PaymentID are
	// asked for, and its attempts in their order.
	Delivery(
		ctx context.Context, tenant payment.TenantID, id payment.EndpointID, of payment.Event,
	) (payment.WebhookDelivery, []payment.WebhookAttempt, error)
}

// Queue takes up what is to be sent. Errors are as those of Registry, and have
// CodeEndpointDisabled if nothing is sent to the endpoint.
type Queue interface {
	QueueTest(ctx context.Context, tenant payment.TenantID, id payment.EndpointID) (payment.WebhookDelivery, error)
	// Redeliver queues the delivery of an event once more, as Reader.Delivery names it.
	Redeliver(
		ctx context.Context, tenant payment.TenantID, id payment.EndpointID, of payment.Event,
	) (payment.WebhookDelivery, error)
	// Recover queues a part of what is dead or missing of the events since a time,
	// from a place in the feed on.
	Recover(
		ctx context.Context, tenant payment.TenantID, id payment.EndpointID, since time.Time, after payment.FeedCursor,
	) (payment.Recovery, error)
}

// Authenticator names the tenant of a request. Its error is an *payment.Error.
type Authenticator interface {
	Authenticate(r *http.Request) (payment.TenantID, error)
}

// Config has a working zero value, but for CheckURL.
type Config struct {
	// CheckURL tells whether anything may be sent to a URL at all. Its error is an
	// *payment.Error with CodeInvalid.
	CheckURL func(url string) error
	// Keys seal secrets. Without any, no endpoint can be made.
	Keys sealed.Keys
	// PublicURL stands before the paths in the bodies of webhooks. If empty, it is the
	// address the client used.
	PublicURL string
	// Timeout limits all that one request waits for; 5 s if 0.
	Timeout time.Duration
	// BodyTimeout limits the arrival of a body; 10 s if 0.
	BodyTimeout time.Duration
}

// Handler answers the paths below /v1/webhook-endpoints.
type Handler struct {
	registry Registry
	reader   Reader
	queue    Queue
	auth     Authenticator
	cfg      Config
	places   chan struct{} // one per recovery under way
}

const (
	// recoveriesMax leaves connections to the database for everybody else.
	recoveriesMax = 2

	timeoutDefault     = 5 * time.Second
	bodyTimeoutDefault = 10 * time.Second
)

// New makes a handler.
func New(registry Registry, reader Reader, queue Queue, auth Authenticator, cfg Config) *Handler {
	if cfg.Timeout == 0 {
		cfg.Timeout = timeoutDefault
	}
	if cfg.BodyTimeout == 0 {
		cfg.BodyTimeout = bodyTimeoutDefault
	}
	return &Handler{
		registry: registry, reader: reader, queue: queue, auth: auth, cfg: cfg, places: make(chan struct{}, recoveriesMax),
	}
}

// Routes adds the handler's routes.
func (h *Handler) Routes(r chi.Router) {
	get := func(pattern string, handle http.HandlerFunc) {
		r.Get(pattern, handle)
		r.Head(pattern, handle)
	}
	r.Post(object.EndpointCollectionPath, h.create)
	get(object.EndpointCollectionPath, h.list)
	get(object.EndpointItemPattern, h.get)
	r.Patch(object.EndpointItemPattern, h.change)
	r.Delete(object.EndpointItemPattern, h.remove)
	r.Post(object.RotateSecretPattern, h.rotate)
	r.Post(object.TestEndpointPattern, h.test)
	r.Post(object.RecoverPattern, h.recover)
	get(object.DeliveriesPattern, h.deliveries)
	get(object.DeliveryPattern, h.delivery)
	r.Post(object.RedeliverPattern, h.redeliver)
}
