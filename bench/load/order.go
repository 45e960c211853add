package load

import "math/rand/v2"

const (
	// A connection repeats only once it has some orders to choose from, and
	// chooses from its last ones.
	repeatableMin = 8
	repeatableMax = 1000

	runsMax   = 1000
	countsMax = 100_000_000
)

// orders decides which orders a connection sends next.
type orders struct {
	repeatPercent int
	items         int // orders per request
	random        *rand.Rand
	sent          int // requests
	placed        int // different orders in them
}

func newOrders(plan Plan, seed uint64) *orders {
	return &orders{
		repeatPercent: plan.RepeatPercent, items: plan.items(),
		random: rand.New(rand.NewPCG(seed, seed)), //nolint:gosec // no secret
	}
}

// next gives the number of a request's first order, those of a batch being
// consecutive, and whether it was sent before. Since a connection sends one request
// at a time, an order that it repeats was answered.
func (o *orders) next() (first int, repeats bool) {
	due := o.sent * o.repeatPercent / 100
	o.sent++
	if o.sent*o.repeatPercent/100 > due && o.placed >= repeatableMin {
		return o.placed - 1 - o.random.IntN(min(o.placed, repeatableMax)), true
	}
	o.placed += o.items
	return o.placed - o.items, false
}
