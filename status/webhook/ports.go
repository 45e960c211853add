package webhook

import (
	"context"
	"time"

	"github.com/paybuf/paybuf/payment"
)

// Outbox keeps what is to be delivered, and who may deliver it.
type Outbox interface {
	// Hold makes or extends the worker's lease and gives the enabled endpoints that it
	// holds now: those that it held, and up to more others that have something due and
	// no live worker.
	Hold(ctx context.Context, worker string, lease time.Duration, more int) ([]payment.Endpoint, error)
	// Due gives, of each endpoint wanted that the worker holds, up to Limit deliveries
	// that are due, the longest due first, leaving out those in Not and those behind an
	// earlier waiting one of the same payment and endpoint.
	Due(ctx context.Context, worker string, wants []payment.DeliveryWant) ([]payment.WebhookDelivery, error)
	// Record writes results, each with its row of the attempt. A delivery that
	// succeeded counts whoever sent it; any other result counts only while the worker
	// holds the endpoint. Endpoints that are gone, or have failed for longer than
	// failingMax, are disabled with their reason, and what waits for them is dead.
	Record(ctx context.Context, worker string, results []payment.DeliveryResult, failingMax time.Duration) error
	// Leave gives endpoints back, all and the lease if none is named.
	Leave(ctx context.Context, worker string, endpoints []payment.EndpointID) error
}

// Janitor clears the outbox.
type Janitor interface {
	// SweepDeliveries makes dead what waits for a disabled or deleted endpoint, and
	// removes delivered and dead deliveries (with their attempts) that ended longer ago
	// than keep, by its own clock; it gives how many rows it changed, at most some
	// thousands per call.
	SweepDeliveries(ctx context.Context, keep time.Duration) (int, error)
}

// Opener opens what was sealed. about is the id of the endpoint whose secret it is.
type Opener interface {
	Open(s payment.Sealed, about string) ([]byte, error)
}
