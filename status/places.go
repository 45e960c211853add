package status

import (
	"sync"
	"time"

	"github.com/paybuf/paybuf/payment"
)

// placeAfter is when there may be a place again for one who was refused.
const placeAfter = 5 * time.Second

// places bounds what is open at once, in all and of one tenant.
type places struct {
	max, ofTenantMax int

	mu       sync.Mutex
	taken    int
	ofTenant map[payment.TenantID]int
}

// take gives what gives the place back.
func (p *places) take(tenant payment.TenantID) (leave func(), err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.ofTenant[tenant] >= p.ofTenantMax:
		return nil, &payment.Error{
			Code: payment.CodeTooManyOpen, RetryAfter: placeAfter,
			Detail: "too many of your streams and waiting requests are open; close some, or follow GET /v1/events instead of single payments",
		}
	case p.taken >= p.max:
		return nil, &payment.Error{
			Code: payment.CodeUnavailable, RetryAfter: placeAfter,
			Detail: "too many streams and waiting requests are open here; ask again, or without a stream or wait",
		}
	}
	p.taken++
	p.ofTenant[tenant]++
	return sync.OnceFunc(func() { p.leave(tenant) }), nil
}

func (p *places) leave(tenant payment.TenantID) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.taken--
	if p.ofTenant[tenant]--; p.ofTenant[tenant] == 0 {
		delete(p.ofTenant, tenant)
	}
}
