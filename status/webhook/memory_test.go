package webhook

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/paybuf/paybuf/payment"
)

// memory is the outbox as a model: what Outbox and Janitor promise, and nothing else.
type memory struct {
	mu        sync.Mutex
	endpoints map[payment.EndpointID]*kept
	workers   map[string]time.Time
	down      func(worker string) bool // nil: never
	records   int                      // calls
	sequence  int64
	swept     []time.Time
	refused   func(payment.DeliveryResult) bool // nil: nothing can never be stored
}

// kept is an endpoint with its deliveries.
type kept struct {
	payment.Endpoint
	worker   string
	rows     map[int64]*payment.WebhookDelivery
	attempts []payment.WebhookAttempt
	waiting  []*payment.WebhookDelivery // by sequence, with some that have ended
}

var errDown = errors.New("the outbox is down")

func newMemory() *memory {
	return &memory{endpoints: map[payment.EndpointID]*kept{}, workers: map[string]time.Time{}}
}

// endpoint adds an enabled endpoint.
func (m *memory) endpoint(tenant, id, url string) payment.EndpointID {
	m.mu.Lock()
	defer m.mu.Unlock()
	e := payment.Endpoint{
		ID: payment.EndpointID(id), Tenant: payment.TenantID(tenant), URL: url, Status: payment.EndpointEnabled,
		Secret: seal("a secret of " + id + " that is long enough"),
	}
	m.endpoints[e.ID] = &kept{Endpoint: e, rows: map[int64]*payment.WebhookDelivery{}}
	return e.ID
}

// tell queues an event of a payment for an endpoint and gives its sequence.
func (m *memory) tell(to payment.EndpointID, id payment.ID) int64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.sequence++
	e := m.endpoints[to]
	now := time.Now()
	d := &payment.WebhookDelivery{
		Endpoint: to, State: payment.DeliveryWaiting, NextAt: now,
		Event: payment.Event{
			Sequence: m.sequence, PaymentID: id, Tenant: e.Tenant, Version: m.sequence, At: now,
			Type: payment.EventType(payment.Succeeded), State: payment.Succeeded,
		},
	}
	e.rows[m.sequence] = d
	e.waiting = append(e.waiting, d)
	return m.sequence
}

// tellMany queues events of payments that have one each.
func (m *memory) tellMany(to payment.EndpointID, n int) {
	for range n {
		m.tell(to, payment.ID(fmt.Sprintf("pay_%s_%d", to, m.sequence)))
	}
}

func (m *memory) Hold(_ context.Context, worker string, lease time.Duration, more int) ([]payment.Endpoint, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.down != nil && m.down(worker) {
		return nil, errDown
	}
	now := time.Now()
	if !m.alive(worker, now) { // others may have what it held
		for _, e := range m.endpoints {
			if e.worker == worker {
				e.worker = ""
			}
		}
	}
	m.workers[worker] = now.Add(lease)
	var held []payment.Endpoint
	for _, id := range m.ids() {
		e := m.endpoints[id]
		switch {
		case e.Status != payment.EndpointEnabled:
		case e.worker == worker:
			held = append(held, e.Endpoint)
		case more > 0 && !m.alive(e.worker, now) && m.hasDue(e, now):
			more--
			e.worker = worker
			held = append(held, e.Endpoint)
		}
	}
	return held, nil
}

func (m *memory) ids() []payment.EndpointID {
	ids := make([]payment.EndpointID, 0, len(m.endpoints))
	for id := range m.endpoints {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}

func (m *memory) alive(worker string, now time.Time) bool { return now.Before(m.workers[worker]) }

func (m *memory) hasDue(e *kept, now time.Time) bool {
	return slices.ContainsFunc(e.waiting, func(d *payment.WebhookDelivery) bool {
		return d.State == payment.DeliveryWaiting && !d.NextAt.After(now)
	})
}

func (m *memory) Due(_ context.Context, worker string, wants []payment.DeliveryWant) ([]payment.WebhookDelivery, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.down != nil && m.down(worker) {
		return nil, errDown
	}
	now := time.Now()
	var due []payment.WebhookDelivery
	for _, want := range wants {
		e := m.endpoints[want.Endpoint]
		if e.worker == worker && m.alive(worker, now) && e.Status == payment.EndpointEnabled {
			due = append(due, e.due(want, now)...)
		}
	}
	return due, nil
}

func (e *kept) due(want payment.DeliveryWant, now time.Time) []payment.WebhookDelivery {
	e.waiting = slices.DeleteFunc(e.waiting, func(d *payment.WebhookDelivery) bool { return d.State != payment.DeliveryWaiting })
	not := make(map[int64]bool, len(want.Not))
	for _, sequence := range want.Not {
		not[sequence] = true
	}
	before := map[payment.ID]bool{} // payments with an earlier one that waits
	var due []payment.WebhookDelivery
	for _, d := range e.waiting {
		behind := d.Event.PaymentID != "" && before[d.Event.PaymentID]
		before[d.Event.PaymentID] = true
		if behind || not[d.Event.Sequence] || d.NextAt.After(now) || e.ResumeAt.After(now) {
			continue
		}
		due = append(due, *d)
		if len(due) > 4*want.Limit { // enough to sort
			break
		}
	}
	slices.SortStableFunc(due, func(a, b payment.WebhookDelivery) int { return a.NextAt.Compare(b.NextAt) })
	return due[:min(len(due), want.Limit)]
}

func (m *memory) Record(_ context.Context, worker string, results []payment.DeliveryResult, failingMax time.Duration) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.down != nil && m.down(worker) {
		return errDown
	}
	m.records++
	if m.refused != nil && slices.ContainsFunc(results, m.refused) {
		return &payment.Error{Code: payment.CodeInvalid, Detail: "it can never be stored"}
	}
	now := time.Now()
	for _, r := range results {
		e := m.endpoints[r.Attempt.Endpoint]
		d := e.rows[r.Attempt.Sequence]
		holds := e.worker == worker && m.alive(worker, now)
		if d.State != payment.DeliveryWaiting || r.State != payment.DeliveryDelivered && !holds {
			continue
		}
		d.Attempts++
		d.Tries++
		r.Attempt.Number = d.Attempts
		e.attempts = append(e.attempts, r.Attempt)
		d.State, d.Reason, d.NextAt, d.UpdatedAt = r.State, r.Reason, now.Add(r.NextIn), now
		e.learn(r, now, failingMax)
	}
	return nil
}

// learn keeps what a result says of its endpoint.
func (e *kept) learn(r payment.DeliveryResult, now time.Time, failingMax time.Duration) {
	switch {
	case r.State == payment.DeliveryDelivered:
		e.FailingSince = time.Time{}
	case e.FailingSince.IsZero():
		e.FailingSince = now
	}
	if r.PauseFor > 0 {
		e.ResumeAt = now.Add(r.PauseFor)
	}
	reason := ""
	if r.Gone {
		reason = payment.DisabledGone
	} else if !e.FailingSince.IsZero() && now.Sub(e.FailingSince) > failingMax {
		reason = payment.DisabledFailing
	}
	if reason == "" {
		return
	}
	e.Status, e.StatusReason, e.StatusAt = payment.EndpointDisabled, reason, now
	for _, d := range e.waiting {
		if d.State == payment.DeliveryWaiting {
			d.State, d.Reason = payment.DeliveryDead, payment.DeadEndpointDisabled
		}
	}
}

func (m *memory) Leave(_ context.Context, worker string, endpoints []payment.EndpointID) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.down != nil && m.down(worker) {
		return errDown
	}
	for _, e := range m.endpoints {
		if e.worker == worker && (endpoints == nil || slices.Contains(endpoints, e.ID)) {
			e.worker = ""
		}
	}
	if endpoints == nil {
		delete(m.workers, worker)
	}
	return nil
}

func (m *memory) SweepDeliveries(_ context.Context, keep time.Duration) (int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	before := time.Now().Add(-keep)
	m.swept = append(m.swept, before)
	changed := 0
	for _, e := range m.endpoints {
		for sequence, d := range e.rows {
			if d.State != payment.DeliveryWaiting && d.UpdatedAt.Before(before) {
				delete(e.rows, sequence)
				changed++
			}
		}
	}
	return changed, nil
}

// count tells how many deliveries of an endpoint are in a state.
func (m *memory) count(of payment.EndpointID, state payment.DeliveryState) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	n := 0
	for _, d := range m.endpoints[of].rows {
		if d.State == state {
			n++
		}
	}
	return n
}

// attemptsAt gives what was recorded of an endpoint.
func (m *memory) attemptsAt(of payment.EndpointID) []payment.WebhookAttempt {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.endpoints[of].attempts)
}

// row gives a delivery as it is now.
func (m *memory) row(of payment.EndpointID, sequence int64) payment.WebhookDelivery {
	m.mu.Lock()
	defer m.mu.Unlock()
	return *m.endpoints[of].rows[sequence]
}

// shown gives an endpoint as it is now.
func (m *memory) shown(of payment.EndpointID) payment.Endpoint {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.endpoints[of].Endpoint
}

// change changes an endpoint.
func (m *memory) change(of payment.EndpointID, how func(*payment.Endpoint)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	how(&m.endpoints[of].Endpoint)
}

// seal stands for an encryption: the key's name in front is all there is to it.
func seal(secret string) payment.Sealed { return payment.Sealed{KeyID: "k1", Data: []byte(secret)} }

// keyring opens what seal has made.
type keyring struct {
	mu     sync.Mutex
	opened int
	lacks  string // a key
}

func (k *keyring) Open(s payment.Sealed, about string) ([]byte, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.opened++
	if s.KeyID == k.lacks || about == "" {
		return nil, fmt.Errorf("there is no key %q", cmp.Or(s.KeyID, "none"))
	}
	return s.Data, nil
}

// run starts a sender and gives what stops it.
func run(t testing.TB, m *memory, to courier, cfg Config) (*Sender, func()) {
	t.Helper()
	s, err := New(m, m, &keyring{}, cfg)
	if err != nil {
		t.Fatal(err)
	}
	if to != nil {
		s.courier = to
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan struct{})
	go func() { defer close(ended); s.Run(ctx) }()
	return s, func() { cancel(); <-ended }
}
