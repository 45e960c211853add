package processortest

import (
	"cmp"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/paybuf/paybuf/payment"
)

// Ledger is the model. Make it with NewLedger; many goroutines may use it at once.
type Ledger struct {
	// Now is the ledger's clock, time.Now unless it is set before the first call.
	Now func() time.Time
	// Flaws are set before the first call.
	Flaws Flaws

	mu        sync.Mutex
	rows      map[payment.ID]*row
	orders    map[order]*row
	claims    []*row // in the order of their claims
	events    []payment.Event
	conflicts map[conflict]bool
	batches   map[payment.BatchID]payment.Batch
	letters   []payment.DeadLetter
}

// Flaws are promises that a ledger breaks. The zero value breaks none.
type Flaws struct {
	NoFence           bool // Settle writes whatever the version is
	NoUnique          bool // Claim hands out an order number that has a row
	BlindTakeOver     bool // Lease hands out a lost worker's payment to be charged
	NoChain           bool // Claim does not ask what became of the predecessors
	NoSchedule        bool // Claim hands out what is not due yet
	CancelsAnything   bool // Cancel takes no state for an obstacle
	ReleasesAnything  bool // Release does not ask in which state and version it is
	LeasesForNoTime   bool // Lease hands out what others hold
	ForgetsTombstones bool // Claim hands out what was canceled before it came
}

// row is one payment. Bare ones have no fingerprint yet.
type row struct {
	payment.Work
	fingerprint payment.Fingerprint
}

// order is what only one row may have.
type order struct {
	tenant  payment.TenantID
	number  string
	retryOf payment.ID
}

type conflict struct {
	id          payment.ID
	fingerprint payment.Fingerprint
}

// NewLedger makes an empty ledger.
func NewLedger() *Ledger {
	return &Ledger{
		Now:       time.Now,
		rows:      map[payment.ID]*row{},
		orders:    map[order]*row{},
		conflicts: map[conflict]bool{},
		batches:   map[payment.BatchID]payment.Batch{},
	}
}

// Payment gives the payment with an id, if it has a row.
func (l *Ledger) Payment(id payment.ID) (payment.Payment, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	r, known := l.rows[id]
	if !known {
		return payment.Payment{}, false
	}
	return l.read(r), true
}

// Payments gives all payments in the order of their rows' making.
func (l *Ledger) Payments() []payment.Payment {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := make([]payment.Payment, len(l.claims))
	for i, r := range l.claims {
		all[i] = l.read(r)
	}
	return all
}

// Events gives what was told of a payment, oldest first.
func (l *Ledger) Events(id payment.ID) []payment.Event {
	l.mu.Lock()
	defer l.mu.Unlock()
	var events []payment.Event
	for _, event := range l.events {
		if event.PaymentID == id {
			events = append(events, event)
		}
	}
	return events
}

// Conflicted tells that a request is on record as another body of its payment.
func (l *Ledger) Conflicted(request payment.Request) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.conflicts[conflict{request.ID, request.Fingerprint()}]
}

func (l *Ledger) read(r *row) payment.Payment {
	p := r.Payment
	if next := l.orders[order{r.Tenant, r.OrderNumber, r.ID}]; next != nil {
		p.RetriedBy = next.ID
	}
	return p
}

// add makes a row and tells of it.
func (l *Ledger) add(r *row, at time.Time) {
	r.Version, r.UpdatedAt = 1, at
	l.rows[r.ID] = r
	l.orders[orderOf(r.Request)] = r
	l.claims = append(l.claims, r)
	l.tell(r, at)
}

// move changes a row's state; whoever calls it has seen to the rest of the row.
func (l *Ledger) move(r *row, to payment.State, at time.Time) {
	was := r.State
	r.State, r.UpdatedAt = to, at
	r.Version++
	if rests(to) {
		r.NextAt = time.Time{}
	}
	if was != to {
		l.tell(r, at)
	}
}

func (l *Ledger) tell(r *row, at time.Time) {
	l.events = append(l.events, payment.Event{
		Sequence: int64(len(l.events) + 1), PaymentID: r.ID, Tenant: r.Tenant, Version: r.Version,
		Type: payment.EventType(r.State), State: r.State, At: at,
	})
}

// rests tells that nothing will happen in a state by itself.
func rests(state payment.State) bool { return state.Final() || state == payment.Parked }

func orderOf(r payment.Request) order { return order{r.Tenant, r.OrderNumber, r.RetryOf} }

// sorted gives a copy in the order of ids, which differ: the real ledger locks rows
// in that order.
func sorted[T any](all []T, id func(T) payment.ID) ([]T, error) {
	all = slices.SortedFunc(slices.Values(all), func(a, b T) int { return cmp.Compare(id(a), id(b)) })
	for i := 1; i < len(all); i++ {
		if id(all[i-1]) == id(all[i]) {
			return nil, refused("%s is in the batch twice", id(all[i]))
		}
	}
	return all, nil
}

func refused(format string, args ...any) error {
	return &payment.Error{Code: payment.CodeInvalid, Detail: fmt.Sprintf(format, args...)}
}
