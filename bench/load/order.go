package load

import (
	"fmt"
	"math/rand/v2"
)

const (
	// A connection repeats only once it has some orders to choose from, and
	// chooses from its last ones.
	repeatableMin = 8
	repeatableMax = 1000

	runsMax   = 1000
	countsMax = 100_000_000
)

// orders decides which order a connection sends next.
type orders struct {
	repeatEvery int
	random      *rand.Rand
	sent        int
	placed      int // different orders among them
}

func newOrders(repeatEvery int, seed uint64) *orders {
	return &orders{repeatEvery: repeatEvery, random: rand.New(rand.NewPCG(seed, seed))} //nolint:gosec // no secret
}

// next gives the number of an order, and whether it was sent before. Since a
// connection sends one request at a time, an order that it repeats was answered.
func (o *orders) next() (order int, repeats bool) {
	o.sent++
	if o.repeatEvery > 0 && o.placed >= repeatableMin && o.sent%o.repeatEvery == 0 {
		return o.placed - 1 - o.random.IntN(min(o.placed, repeatableMax)), true
	}
	o.placed++
	return o.placed - 1, false
}

// request is a whole HTTP request of which only the digits of the order change.
type request struct {
	bytes  []byte
	digits []byte // within bytes
}

// bodyFormat is a payment as a shop might send it. The letters in the order
// number keep its digits from looking like a card's.
const bodyFormat = `{"order_number":"R%03dC%03dN%08d","amount":1999,"currency":"EUR",` +
	`"payment_method":"tok_visa","customer":"c_81","description":"two books","metadata":{"cart":"918273"}}`

const digitsLen = 8

func newRequest(host string, run, connection int) *request {
	body := fmt.Sprintf(bodyFormat, run, connection, 0)
	head := fmt.Sprintf("POST /v1/payments HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n", host, len(body))
	prefix := len(head) + len(fmt.Sprintf(`{"order_number":"R%03dC%03dN`, run, connection))
	whole := []byte(head + body)
	return &request{bytes: whole, digits: whole[prefix : prefix+digitsLen]}
}

// of gives the request for an order. It holds until the next call.
func (r *request) of(order int) []byte {
	for i := digitsLen - 1; i >= 0; i-- {
		r.digits[i] = byte('0' + order%10)
		order /= 10
	}
	return r.bytes
}
