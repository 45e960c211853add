package await

import (
	"slices"
	"sync"

	"github.com/paybuf/paybuf/payment"
)

// alarms are for those who read by themselves when something has changed.
type alarms struct {
	mu       sync.Mutex
	payments map[payment.ID][]chan struct{}
	tenants  map[payment.TenantID][]chan struct{}
}

func newAlarms() alarms {
	return alarms{payments: map[payment.ID][]chan struct{}{}, tenants: map[payment.TenantID][]chan struct{}{}}
}

// Payment gives a channel that receives after each announced change of the payment,
// and what ends that. It holds one and never blocks the sender; an announcement may
// be lost. Nobody is refused: whoever asks limits how many they are.
func (h *Hub) Payment(id payment.ID) (changed <-chan struct{}, stop func()) {
	return subscribe(&h.alarms.mu, h.alarms.payments, id)
}

// Tenant does so for any payment of the tenant.
func (h *Hub) Tenant(tenant payment.TenantID) (changed <-chan struct{}, stop func()) {
	return subscribe(&h.alarms.mu, h.alarms.tenants, tenant)
}

func subscribe[K comparable](mu *sync.Mutex, to map[K][]chan struct{}, key K) (changed <-chan struct{}, stop func()) {
	channel := make(chan struct{}, 1)
	mu.Lock()
	defer mu.Unlock()
	to[key] = append(to[key], channel)
	return channel, func() {
		mu.Lock()
		defer mu.Unlock()
		left := slices.DeleteFunc(to[key], func(c chan struct{}) bool { return c == channel })
		if len(left) == 0 {
			delete(to, key)
		} else {
			to[key] = left
		}
	}
}

func (a *alarms) ring(changes []payment.Change) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.payments) == 0 && len(a.tenants) == 0 {
		return
	}
	for i := range changes {
		c := &changes[i]
		pokeAll(a.payments[c.ID])
		if c.RetryOf != "" {
			pokeAll(a.payments[c.RetryOf])
		}
		pokeAll(a.tenants[c.Tenant])
	}
}

func pokeAll(channels []chan struct{}) {
	for _, channel := range channels {
		poke(channel)
	}
}
