// Package await knows who waits for which payment, and wakes them when it changes.
//
// It promises that whoever waits is given the payment soon after a change was
// announced, at the latest with the next of its own looks if the announcement was
// lost, and never later than asked for; that a payment is given to its own tenant
// only; and that neither a change nor a waiter makes a statement of its own: what
// woke within a moment is read at once. It reads and never writes.
package await

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/paybuf/paybuf/payment"
)

// Reader knows the payments that have been claimed.
type Reader interface {
	// PaymentsByID reads those of ids that have been claimed, of whichever tenants.
	PaymentsByID(ctx context.Context, ids []payment.ID) ([]payment.Payment, error)
}

// Config has a working zero value.
type Config struct {
	// WaitersMax is how many may wait at once, of all tenants; 20,000 if 0.
	// TenantShare of them is for one tenant: above 0, at most 1; 0.5 if 0.
	WaitersMax  int
	TenantShare float64
	// LookEvery is how long a waiter's payment goes without a look if nothing is
	// announced; 10 s if 0. BlindLookEvery is that while announcements cannot come,
	// which Connected tells; 1 s if 0. Without Connected they always can.
	LookEvery, BlindLookEvery time.Duration
	Connected                 func() bool
	// ReadTimeout limits one statement; 5 s if 0.
	ReadTimeout time.Duration
	Logger      *slog.Logger
}

const (
	waitersMaxDefault     = 20_000
	tenantShareDefault    = 0.5
	lookEveryDefault      = 10 * time.Second
	blindLookEveryDefault = time.Second
	readTimeoutDefault    = 5 * time.Second
)

func (c Config) withDefaults() Config {
	setDefault(&c.WaitersMax, waitersMaxDefault)
	setDefault(&c.TenantShare, tenantShareDefault)
	setDefault(&c.LookEvery, lookEveryDefault)
	setDefault(&c.BlindLookEvery, blindLookEveryDefault)
	setDefault(&c.ReadTimeout, readTimeoutDefault)
	if c.Connected == nil {
		c.Connected = func() bool { return true }
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// Hub is where waiters and changes meet. It is safe for concurrent use, and works
// while Run does.
type Hub struct {
	reader Reader
	cfg    Config

	mu       sync.Mutex
	watches  map[payment.ID]*watch
	round    round // all watches, the one first that was not looked at for the longest time
	due      byEnd
	tenants  map[payment.TenantID]int // how many wait
	woken    []*watch                 // to be read, and some that nobody waits for any more
	released bool
	ended    []func() // those to tell that their wait is over

	alarms alarms

	wake  chan struct{} // there is something to read
	hurry chan struct{} // somebody waits no longer than the clock would sleep

	given, looks, statements, refused atomic.Int64
}

// New makes a hub that reads payments with reader.
func New(reader Reader, cfg Config) *Hub {
	return &Hub{
		reader: reader, cfg: cfg.withDefaults(),
		watches: map[payment.ID]*watch{}, tenants: map[payment.TenantID]int{},
		alarms: newAlarms(),
		wake:   make(chan struct{}, 1), hurry: make(chan struct{}, 1),
	}
}

// Run does the work until ctx ends. Then nobody waits any more.
func (h *Hub) Run(ctx context.Context) {
	var wg sync.WaitGroup
	wg.Go(func() { h.readLoop(ctx) })
	wg.Go(func() { h.clockLoop(ctx) })
	wg.Wait()
	h.Release()
}

// Wait shows the tenant's payment to see, as often as it is read, until that says that
// it is enough, until a time, or until ctx ends. A payment that nobody has claimed yet
// is waited for. see is called by one at a time, must be quick, and is not called any
// more when Wait returns. honoured is false if there was no place to wait, or if the
// hub has been released: then see was never called.
func (h *Hub) Wait(
	ctx context.Context, tenant payment.TenantID, id payment.ID, until time.Time,
	see func(payment.Payment) (enough bool),
) (honoured bool) {
	done := make(chan struct{})
	leave, honoured := h.Later(tenant, id, until, see, func() { close(done) })
	if !honoured {
		return false
	}
	select {
	case <-done:
	case <-ctx.Done():
		leave()
	}
	return true
}

// Later is Wait for who does something else meanwhile: over is called when the wait
// has ended, by whoever ended it, who holds no lock then and has others to tell, so it
// must be quick. leave ends the wait before; if it came in time, over is not called.
// see is not called any more once over or leave has been. Without a place ok is false,
// and nothing is called.
func (h *Hub) Later(
	tenant payment.TenantID, id payment.ID, until time.Time, see func(payment.Payment) (enough bool), over func(),
) (leave func() (inTime bool), ok bool) {
	s := h.sit(tenant, id, until, see, over)
	if s == nil {
		h.refused.Add(1)
		return nil, false
	}
	return func() bool { return h.leave(s) }, true
}

// Changed wakes those who wait for what has changed. It takes well under a
// microsecond per change, and keeps nothing of the list.
func (h *Hub) Changed(changes []payment.Change) {
	h.alarms.ring(changes)
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.watches) == 0 {
		return
	}
	for i := range changes {
		c := &changes[i]
		if w := h.watches[c.ID]; w != nil && c.Version > w.version {
			h.wakeUp(w)
		}
		if c.RetryOf != "" { // it has a successor now, which is no new version of it
			h.wakeUp(h.watches[c.RetryOf])
		}
	}
}

// Release ends all waits, and refuses others from then on.
func (h *Hub) Release() {
	h.mu.Lock()
	defer h.unlock()
	h.released = true
	for len(h.due) > 0 {
		h.finish(h.due[0])
	}
}

// Stats is what the hub does.
type Stats struct {
	Waiters    int   // now
	Given      int64 // payments that somebody had waited for, since the start
	Looks      int64 // payments read without an announcement
	Statements int64 // that read payments
	Refused    int64 // who found no place
}

// Stats gives the counts.
func (h *Hub) Stats() Stats {
	h.mu.Lock()
	waiters := len(h.due)
	h.mu.Unlock()
	return Stats{
		Waiters: waiters, Given: h.given.Load(), Looks: h.looks.Load(),
		Statements: h.statements.Load(), Refused: h.refused.Load(),
	}
}
