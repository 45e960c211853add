package await

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/paybuf/paybuf/payment"
)

// OwnReader knows the payments that have been claimed, each by its tenant and id.
type OwnReader interface {
	// PaymentsOf gives them in order, nil for each that is none of its tenant's.
	PaymentsOf(ctx context.Context, tenants []payment.TenantID, ids []payment.ID) ([]*payment.Payment, error)
}

const (
	// statementsMax is how many statements of Together may be under way. Who comes
	// meanwhile gathers for the next.
	statementsMax = 4
	// togetherTimeout limits one statement, for whoever it is.
	togetherTimeout = 5 * time.Second
)

var errTogetherSlow = errors.New("the payments that were asked for were not read in time")

// Together lets those who ask for a payment at the same time share a statement, so
// that ten thousand who come at once do not wait for ten thousand statements. Who asks
// alone is read alone, at once. It is safe for concurrent use.
type Together struct {
	reader OwnReader

	mu    sync.Mutex
	asked []*asking // in no statement yet
	busy  int       // statements under way, or about to be
}

// asking is one who waits for a payment.
type asking struct {
	tenant payment.TenantID
	id     payment.ID
	turn   chan struct{} // receives when it is this one's turn to read for those who wait
	done   chan struct{} // closed when found and err are there
	found  *payment.Payment
	err    error
}

// NewTogether lets those who ask reader share its statements.
func NewTogether(reader OwnReader) *Together { return &Together{reader: reader} }

// Payment finds a tenant's payment. Its error has CodeNotFound if the tenant has none
// with this id, whether or not another has; any other means that nothing is known.
func (t *Together) Payment(ctx context.Context, tenant payment.TenantID, id payment.ID) (payment.Payment, error) {
	a := t.ask(tenant, id)
	for waiting := true; waiting; {
		select {
		case <-a.turn:
			t.read(ctx)
		case <-a.done:
			waiting = false
		case <-ctx.Done():
			t.leave(a)
			return payment.Payment{}, context.Cause(ctx)
		}
	}
	switch {
	case a.err != nil:
		return payment.Payment{}, a.err
	case a.found == nil:
		return payment.Payment{}, &payment.Error{Code: payment.CodeNotFound, Detail: "there is no such payment"}
	}
	return *a.found, nil
}

func (t *Together) ask(tenant payment.TenantID, id payment.ID) *asking {
	a := &asking{tenant: tenant, id: id, turn: make(chan struct{}, 1), done: make(chan struct{})}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.asked = append(t.asked, a)
	if t.busy < statementsMax {
		t.busy++
		t.passTurn()
	}
	return a
}

// leave gives up a place, and the turn if it has come.
func (t *Together) leave(a *asking) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if at := slices.Index(t.asked, a); at >= 0 {
		t.asked = slices.Delete(t.asked, at, at+1)
	}
	t.takeTurn(a)
}

// passTurn has the next of those who wait read, if anybody waits whose turn it is not
// yet.
func (t *Together) passTurn() {
	for _, a := range t.asked {
		select {
		case a.turn <- struct{}{}:
			return
		default: // it has it
		}
	}
	t.busy--
}

// read reads what many wait for. It goes on when the one who reads is not waited for
// any more, since others are.
func (t *Together) read(ctx context.Context) {
	batch := t.take()
	n := len(batch)
	tenants, ids := make([]payment.TenantID, n), make([]payment.ID, n)
	for i, a := range batch {
		tenants[i], ids[i] = a.tenant, a.id
	}
	ctx, cancel := context.WithTimeoutCause(context.WithoutCancel(ctx), togetherTimeout, errTogetherSlow)
	defer cancel()
	var found []*payment.Payment
	var err error
	if n > 0 {
		found, err = t.reader.PaymentsOf(ctx, tenants, ids)
	}
	for i, a := range batch {
		if a.err = err; err == nil {
			a.found = found[i]
		}
		close(a.done)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.passTurn()
}

// take takes those who are read next off the list. Whose turn had come goes on
// without it.
func (t *Together) take() []*asking {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := min(len(t.asked), batchMax)
	batch := slices.Clone(t.asked[:n])
	t.asked = slices.Delete(t.asked, 0, n)
	for _, a := range batch {
		t.takeTurn(a)
	}
	return batch
}

// takeTurn gives the turn of one who has not begun to another.
func (t *Together) takeTurn(a *asking) {
	select {
	case <-a.turn:
		t.passTurn()
	default:
	}
}
