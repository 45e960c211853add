package simulator

import (
	"maps"
	"strconv"
	"sync"
	"time"

	"github.com/paybuf/paybuf/payment"
)

// digest tells two requests apart. It is the head of a fingerprint: enough to
// notice another body with the same key.
type digest [8]byte

// order is a request to charge, whichever way it came.
type order struct {
	reference string
	key       string // "" if none
	money     payment.Money
	body      digest
	declines  bool // the payment method is DeclinedMethod
}

// operation is one send that the payer worked on.
type operation struct {
	order
	number    uint64
	status    status // as it stands; "" while the ledger does not have it yet
	first     status // what the first answer said, for replays
	at        time.Time
	visibleAt time.Time  // look-ups miss it until then
	older     *operation // of the same reference
	changing  bool       // it is being decided or voided
}

// account is what happened under one reference.
type account struct {
	sends   int64
	lookups int64
	voids   int64
	charges int64
	shown   *operation // what a look-up finds
	newest  *operation // with all others behind it
}

// book is the payer's memory: what the ledger holds, by key and by reference,
// and what is under way.
type book struct {
	ignoreKeys bool
	keyWindow  time.Duration

	mu       sync.Mutex
	keys     map[string]*operation
	errors   map[string]time.Time // since when a key is answered 500; not in the ledger
	accounts map[string]*account
	last     uint64 // number of the newest operation
	counts   counts
}

// beginning says what a send meets.
type beginning int

const (
	begun      beginning = iota // it is new: finish or abandon it
	replayed                    // its key was used for the same request
	inProgress                  // likewise, and the ledger does not have it yet
	keyReused                   // its key was used for another request
	errorKept                   // its key was answered 500, and will be
)

func newBook(opts Options) *book {
	return &book{
		ignoreKeys: opts.IgnoreKeys,
		keyWindow:  opts.KeyWindow,
		keys:       make(map[string]*operation),
		errors:     make(map[string]time.Time),
		accounts:   make(map[string]*account),
		counts:     newCounts(),
	}
}

func chargeID(number uint64) string { return "ch_" + strconv.FormatUint(number, 10) }

// countSend gives the number of this send of the reference, from 1.
func (b *book) countSend(reference string) int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.counts.Sends++
	a := b.account(reference)
	a.sends++
	return a.sends
}

// countLookup gives the number of this look-up of the reference, from 1.
func (b *book) countLookup(reference string) int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.counts.Lookups++
	a := b.account(reference)
	a.lookups++
	return a.lookups
}

// countFault counts what goes wrong with a send.
func (b *book) countFault() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.counts.Faults++
}

// begin looks the key up and opens an operation if there is none. The operation
// is only to be handed back if begun; else it is a copy to be read.
func (b *book) begin(o order) (*operation, beginning) {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := time.Now()
	if at, kept := b.errors[o.key]; kept && now.Sub(at) < b.keyWindow {
		return nil, errorKept
	}
	if known := b.keys[o.key]; known != nil && now.Sub(known.at) < b.keyWindow {
		seen := *known
		switch {
		case known.body != o.body || known.reference != o.reference:
			return &seen, keyReused
		case known.status == "":
			return &seen, inProgress
		}
		return &seen, replayed
	}
	op := &operation{order: o, number: b.last + 1, at: now}
	b.enter(op)
	return op, begun
}

// keepError makes every other send with the key be answered 500.
func (b *book) keepError(o order) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if o.key != "" && !b.ignoreKeys {
		b.errors[o.key] = time.Now()
	}
}

// finish makes known what the ledger holds about an operation by now.
func (b *book) finish(op *operation, became status, visibleAt time.Time) operation {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.record(op, became, visibleAt)
	return *op
}

// abandon forgets an operation that could not be written.
func (b *book) abandon(op *operation) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.keys[op.key] == op {
		delete(b.keys, op.key)
	}
}

// find gives what a look-up shows: of several operations a charge before a
// pending one before a declined or voided one, and the older of equals.
func (b *book) find(reference string) (operation, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	shown := b.account(reference).shown
	if shown == nil || time.Now().Before(shown.visibleAt) {
		return operation{}, false
	}
	return *shown, true
}

// summary counts everything up to now.
func (b *book) summary() Summary {
	b.mu.Lock()
	defer b.mu.Unlock()
	summary := b.counts.Summary
	summary.Sums = maps.Clone(summary.Sums)
	return summary
}

// enter, account and record need the lock.
func (b *book) enter(op *operation) {
	b.last = max(b.last, op.number)
	a := b.account(op.reference)
	op.older, a.newest = a.newest, op
	if op.key != "" && !b.ignoreKeys {
		b.keys[op.key] = op
	}
}

func (b *book) account(reference string) *account {
	a := b.accounts[reference]
	if a == nil {
		a = &account{}
		b.accounts[reference] = a
	}
	return a
}

func (b *book) record(op *operation, became status, visibleAt time.Time) {
	a := b.account(op.reference)
	wasPending := op.status == pending
	switch {
	case became == succeeded:
		a.charges++
	case became == voided && !wasPending:
		a.charges--
	}
	op.status, op.visibleAt, op.changing = became, visibleAt, false
	if op.first == "" {
		op.first = became
	}
	b.counts.add(became, wasPending, a.charges, op.money)
	if a.shown == nil || weight(became) > weight(a.shown.status) {
		a.shown = op
	}
}

func weight(s status) int {
	switch s {
	case succeeded:
		return 3
	case pending:
		return 2
	case declined, voided:
		return 1
	}
	return 0
}
