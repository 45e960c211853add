package ingest

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/paybuf/paybuf/payment"
)

const (
	// batchesAtOnceMax bounds the memory that batches take, each several times its
	// body.
	batchesAtOnceMax = 16
	// tenantBatchesAtOnceMax leaves places for others, however slowly the bodies of
	// one tenant come.
	tenantBatchesAtOnceMax = 12
)

var errNoPlace = errors.New("no batch that is being taken in has ended in time")

// batchPlaces has one place per batch that is being taken in.
type batchPlaces struct {
	all chan struct{}

	mu      sync.Mutex
	tenants map[payment.TenantID]*tenantPlaces // those that have or want a place
}

type tenantPlaces struct {
	taken chan struct{}
	users int // batches that have a place or wait for one
}

func newBatchPlaces() *batchPlaces {
	return &batchPlaces{
		all:     make(chan struct{}, batchesAtOnceMax),
		tenants: map[payment.TenantID]*tenantPlaces{},
	}
}

// enter waits for a place, no longer than that; leave gives it back. The tenant's
// limit comes first: who waits for it takes nothing from others.
func (p *batchPlaces) enter(ctx context.Context, tenant payment.TenantID, wait time.Duration) (leave func(), err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, wait, errNoPlace)
	defer cancel()
	own := p.join(tenant)
	select {
	case own.taken <- struct{}{}:
	case <-ctx.Done():
		p.part(tenant, own)
		return nil, noPlace(ctx, payment.CodeTenantShare, "too many of your batches are being taken in")
	}
	select {
	case p.all <- struct{}{}:
	case <-ctx.Done():
		<-own.taken
		p.part(tenant, own)
		return nil, noPlace(ctx, payment.CodeBufferFull, "too many batches are being taken in")
	}
	return func() {
		<-p.all
		<-own.taken
		p.part(tenant, own)
	}, nil
}

// join finds the tenant's places, or makes them.
func (p *batchPlaces) join(tenant payment.TenantID) *tenantPlaces {
	p.mu.Lock()
	defer p.mu.Unlock()
	own := p.tenants[tenant]
	if own == nil {
		own = &tenantPlaces{taken: make(chan struct{}, tenantBatchesAtOnceMax)}
		p.tenants[tenant] = own
	}
	own.users++
	return own
}

// part forgets a tenant of which no batch is left.
func (p *batchPlaces) part(tenant payment.TenantID, own *tenantPlaces) {
	p.mu.Lock()
	defer p.mu.Unlock()
	own.users--
	if own.users == 0 {
		delete(p.tenants, tenant)
	}
}

func noPlace(ctx context.Context, code payment.Code, why string) error {
	return &payment.Error{
		Code:       code,
		Detail:     why + "; nothing of this one is stored: send it again later",
		RetryAfter: pollAfter,
		Cause:      context.Cause(ctx),
	}
}
