package buffer

import (
	"log/slog"
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/paybuf/paybuf/payment"
)

const (
	// bucketsMax bounds what is remembered of one tenant's backlog on one stream,
	// however long that is: 256 buckets of 24 bytes.
	bucketsMax = 256
	// tellPause is between two log lines about the same tenant.
	tellPause = time.Minute
	// messageOverheadBytes is what the stream keeps of a message besides subject, id
	// and body: the frame of nats-server's file store and of the id's header.
	messageOverheadBytes = 34 + int64(len("NATS/1.0\r\n"+messageIDHeader+": \r\n\r\n"))
)

// load is an amount of messages.
type load struct{ bytes, messages int64 }

func (l load) plus(m load) load  { return load{l.bytes + m.bytes, l.messages + m.messages} }
func (l load) minus(m load) load { return load{l.bytes - m.bytes, l.messages - m.messages} }

// exceeds tells whether either is above its limit.
func (l load) exceeds(limit load) bool { return l.bytes > limit.bytes || l.messages > limit.messages }

func (m message) load() load {
	return load{bytes: int64(len(m.subject)+len(m.id)+len(m.body)) + messageOverheadBytes, messages: 1}
}

// tenants knows how much each tenant has in this process and, of what came
// through it, on the streams unclaimed. A tenant may hold a share of the room
// that others leave, so there always is some for one who comes new (ADR 0016).
type tenants struct {
	cfg      Config
	limit    load // of one stream
	inFlight atomic.Int64
	over     atomic.Int64 // tenants above their share at the last measurement

	mu      sync.RWMutex
	known   map[payment.TenantID]*tenant
	streams []measured // the last measurement of each
}

// tenant is one tenant's part. It is never dropped: tenants are those that have
// API keys, and one takes some hundred bytes.
type tenant struct {
	inFlight atomic.Int64
	accounts []account // one per stream
}

// account is what one tenant has on one stream and nobody has claimed yet.
type account struct {
	over atomic.Bool // at once when it passes its share; until measured otherwise

	mu      sync.Mutex
	held    load
	allowed load
	open    bucket   // since the last measurement
	sealed  []bucket // older ones, by sequence
	drained rate     // per second
	told    time.Time
}

// bucket holds messages up to a sequence of the stream.
type bucket struct {
	last uint64
	load load
}

type rate struct{ bytes, messages float64 }

// measured is what the gauge found on one stream, after its buckets were sealed.
type measured struct {
	at          time.Time
	floor, last uint64
	load        load
}

func newTenants(cfg Config) *tenants {
	t := &tenants{
		cfg: cfg, known: map[payment.TenantID]*tenant{}, streams: make([]measured, cfg.Shards),
		limit: load{bytes: cfg.StreamBytesMax, messages: cfg.StreamMessagesMax},
	}
	if t.limit.messages == 0 {
		t.limit.messages = math.MaxInt64
	}
	return t
}

func (t *tenants) find(id payment.TenantID) *tenant {
	t.mu.RLock()
	found := t.known[id]
	t.mu.RUnlock()
	if found != nil {
		return found
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if found = t.known[id]; found == nil {
		found = &tenant{accounts: make([]account, t.cfg.Shards)}
		for i := range found.accounts {
			found.accounts[i].allowed = t.allowed(t.streams[i].load)
		}
		t.known[id] = found
	}
	return found
}

// allowed is the share of what others leave.
func (t *tenants) allowed(others load) load {
	if t.cfg.TenantShare >= 1 {
		return load{math.MaxInt64, math.MaxInt64}
	}
	part := func(limit, taken int64) int64 {
		return int64(t.cfg.TenantShare * float64(max(limit-max(taken, 0), 0)))
	}
	return load{part(t.limit.bytes, others.bytes), part(t.limit.messages, others.messages)}
}

// enter takes a place among the requests in flight, which leave gives back. It
// is refused if the tenant would hold more than its share of those that others
// leave. One place it always gets.
func (t *tenants) enter(of *tenant) bool {
	own, all := of.inFlight.Add(1), t.inFlight.Add(1)
	left := int64(t.cfg.InFlightMax) - (all - own)
	if own == 1 || float64(own) <= t.cfg.TenantShare*float64(left) || t.cfg.TenantShare >= 1 {
		return true
	}
	t.leave(of)
	return false
}

func (t *tenants) leave(of *tenant) {
	of.inFlight.Add(-1)
	t.inFlight.Add(-1)
}

// add counts a message if the stream has said that it is new.
func (a *account) add(stored ack, l load) {
	if stored.Duplicate || stored.Sequence == 0 {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.open.last = max(a.open.last, stored.Sequence)
	a.open.load = a.open.load.plus(l)
	a.held = a.held.plus(l)
	if a.held.exceeds(a.allowed) {
		a.over.Store(true)
	}
}

// seal closes the buckets of a stream: what is added from now on may be missing
// from the measurement that follows.
func (t *tenants) seal(stream int) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	for _, tenant := range t.known {
		tenant.accounts[stream].seal()
	}
}

func (a *account) seal() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.open.load.messages == 0 {
		return
	}
	if len(a.sealed) == bucketsMax {
		a.merge()
	}
	a.sealed, a.open = append(a.sealed, a.open), bucket{}
}

// merge makes one bucket of the two neighbours that hold the least, so that all
// stay about equally coarse.
func (a *account) merge() {
	least := 0
	sum := func(i int) int64 { return a.sealed[i].load.messages + a.sealed[i+1].load.messages }
	for i := range len(a.sealed) - 1 {
		if sum(i) < sum(least) {
			least = i
		}
	}
	a.sealed[least+1].load = a.sealed[least+1].load.plus(a.sealed[least].load)
	a.sealed = slices.Delete(a.sealed, least, least+1)
}

// settle drops what was claimed since the last measurement, and sets anew what
// each tenant may hold.
func (t *tenants) settle(stream int, now measured) {
	t.mu.Lock()
	defer t.mu.Unlock()
	before := t.streams[stream]
	t.streams[stream] = now
	over := int64(0)
	for id, tenant := range t.known {
		a := &tenant.accounts[stream]
		if a.tell(now.at) {
			t.cfg.Logger.Warn("a tenant is over its share and refused", slog.String("tenant", string(id)))
		}
		a.drop(now, before.at)
		a.allow(func(held load) load { return t.allowed(now.load.minus(held)) })
		if tenant.isOver() {
			over++
		}
	}
	t.over.Store(over)
}

// tell tells whether to say that the account is over its share: now and then.
func (a *account) tell(now time.Time) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.over.Load() || now.Sub(a.told) < tellPause {
		return false
	}
	a.told = now
	return true
}

func (t *tenant) isOver() bool {
	for i := range t.accounts {
		if t.accounts[i].over.Load() {
			return true
		}
	}
	return false
}

// drop forgets the buckets that are claimed whole, and those that a stream has
// not which lost its tail: the audit brings their payments back, for nobody's
// account.
func (a *account) drop(now measured, before time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	var gone load
	left := a.sealed[:0]
	for _, b := range a.sealed {
		if b.last <= now.floor || b.last > now.last {
			gone = gone.plus(b.load)
		} else {
			left = append(left, b)
		}
	}
	a.sealed, a.held = left, a.held.minus(gone)
	if seconds := now.at.Sub(before).Seconds(); !before.IsZero() && seconds > 0 {
		a.drained.bytes += rateWeight * (float64(gone.bytes)/seconds - a.drained.bytes)
		a.drained.messages += rateWeight * (float64(gone.messages)/seconds - a.drained.messages)
	}
}

func (a *account) allow(of func(held load) load) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.allowed = of(a.held)
	a.over.Store(a.held.messages > 0 && a.held.exceeds(a.allowed))
}

// roomIn estimates when the tenant is well below its share again, by how fast
// its own payments are claimed.
func (a *account) roomIn() time.Duration {
	a.mu.Lock()
	defer a.mu.Unlock()
	wait := func(held, allowed int64, perSecond float64) float64 {
		excess := float64(held) - (1-roomFraction)*float64(allowed)
		if excess <= 0 {
			return 0
		}
		return excess / perSecond // infinite if nothing drains
	}
	if a.drained.messages < 1 {
		return retryAfterMax / 2 // as for the whole stream
	}
	seconds := math.Ceil(max(
		wait(a.held.bytes, a.allowed.bytes, a.drained.bytes),
		wait(a.held.messages, a.allowed.messages, a.drained.messages)))
	return bounded(seconds)
}
