package buffer

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/paybuf/paybuf/buffer/journal"
	"github.com/paybuf/paybuf/payment"
)

// Refusal is why a request found no room.
type Refusal string

// The refusals.
const (
	RefusedFull        Refusal = "full"         // the stream or the journal is at its limit
	RefusedInFlight    Refusal = "in_flight"    // too many requests wait for the stream
	RefusedTenantShare Refusal = "tenant_share" // one tenant's requests leave others no room
	RefusedNoSpace     Refusal = "no_space"     // the stream or the journal cannot write, for want of disk
)

var errTenantPlaces = errors.New("the tenant has its share of the requests in flight")

// refusals counts, per reason.
type refusals struct{ full, inFlight, tenantShare, noSpace atomic.Int64 }

// Pressure is what stands against new requests.
type Pressure struct {
	Refused         map[Refusal]int64 // since the start
	TenantsOver     int64             // above their share now
	StreamsFailed   []string          // names of streams that store nothing
	JournalRefusing bool              // the journal has no room
}

// Pressure gives the last measurement, at most a second or so old.
func (b *Buffer) Pressure() Pressure {
	p := Pressure{
		Refused: map[Refusal]int64{
			RefusedFull:        b.refused.full.Load(),
			RefusedInFlight:    b.refused.inFlight.Load(),
			RefusedTenantShare: b.refused.tenantShare.Load(),
			RefusedNoSpace:     b.refused.noSpace.Load(),
		},
		TenantsOver:     b.tenants.over.Load(),
		JournalRefusing: b.journalFull.Load() != nil,
	}
	for _, shard := range b.shards {
		if shard.health.failed() {
			p.StreamsFailed = append(p.StreamsFailed, shard.name)
		}
	}
	return p
}

// Writable tells whether both the streams and the journal can store a payment,
// for the readiness of intake.
func (b *Buffer) Writable(context.Context) error {
	for _, shard := range b.shards {
		if shard.health.failed() {
			return shard.storesNothing()
		}
	}
	if full := b.journalFull.Load(); full != nil {
		return b.shards[0].full(*full)
	}
	return nil
}

// storeFor stores a message on a tenant's account, or refuses it at once if the
// tenant has more than its share already, or if a store is known to take nothing.
func (b *Buffer) storeFor(ctx context.Context, id payment.TenantID, shard *Shard, m message) error {
	err := b.tryStoreFor(ctx, id, shard, m)
	if err != nil {
		b.countRefusal(err)
	}
	return err
}

// tryStoreFor is storeFor for who counts refusals by itself.
func (b *Buffer) tryStoreFor(ctx context.Context, id payment.TenantID, shard *Shard, m message) error {
	tenant := b.tenants.find(id)
	account := &tenant.accounts[shard.index]
	if err := b.admit(tenant, account, shard); err != nil {
		return err
	}
	defer b.tenants.leave(tenant)
	stored, err := b.store(ctx, shard, m)
	if err != nil {
		return err
	}
	account.add(stored, m.load())
	return nil
}

// mayPut tells whether a request would be refused now, so that it does not use a
// key up. What repeats a known one is always answered.
func (b *Buffer) mayPut(request payment.Request) error {
	p := b.putting(request)
	if p.known {
		return nil
	}
	if err := b.admit(p.tenant, p.account, p.shard); err != nil {
		return err
	}
	b.tenants.leave(p.tenant)
	return nil
}

// admit gives the tenant a place, or says why not.
func (b *Buffer) admit(tenant *tenant, account *account, shard *Shard) error {
	if shard.health.failed() && b.cfg.Durability != JournalOnly {
		return shard.storesNothing()
	}
	if full := b.journalFull.Load(); full != nil {
		return shard.full(*full)
	}
	if shard.isFull() && b.cfg.Durability != JournalOnly {
		return shard.full(errStreamFull)
	}
	if account.over.Load() {
		return overShare(account.roomIn(), nil)
	}
	if !b.tenants.enter(tenant) {
		return overShare(retryAfterMin, errTenantPlaces)
	}
	return nil
}

// isFull tells that the stream has just refused a message for want of room.
func (s *Shard) isFull() bool {
	until := s.fullUntil.Load()
	return until != 0 && time.Now().UnixNano() < until
}

func overShare(wait time.Duration, cause error) error {
	return &payment.Error{
		Code:       payment.CodeTenantShare,
		Detail:     "too many of your requests wait already; this one is not stored: send it again later",
		RetryAfter: wait,
		Cause:      cause,
	}
}

// countRefusal counts what was refused for want of room, and remembers that the
// journal has none.
func (b *Buffer) countRefusal(err error) {
	code, _ := payment.CodeOf(err)
	noRoom := errors.Is(err, journal.ErrNoSpace) || errors.Is(err, journal.ErrFull)
	if noRoom && b.journalFull.CompareAndSwap(nil, &err) {
		b.cfg.Logger.Error("the journal has no room; payments are refused until it has")
	}
	switch {
	case code == payment.CodeTenantShare:
		b.refused.tenantShare.Add(1)
	case code != payment.CodeBufferFull: // another error, or nobody knows whether it is stored
	case errors.Is(err, errNoPlace):
		b.refused.inFlight.Add(1)
	case errors.Is(err, errStoresNothing), errors.Is(err, journal.ErrNoSpace):
		b.refused.noSpace.Add(1)
	default:
		b.refused.full.Add(1)
	}
}
