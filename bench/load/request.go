package load

import (
	"bytes"
	"fmt"
	"time"
)

// request is a whole HTTP request of which only the digits of its orders change.
type request struct {
	bytes  []byte
	places []place
}

// place is where the digits of one order stand in a request.
type place struct {
	digits []byte
	item   int // of the batch
}

// numberFormat is an order number: the run, the connection and the order. Its
// letters keep the digits from looking like a card's.
const numberFormat = `R%03dC%03dN%08d`

// bodyFormat is a payment as a shop might send it.
const bodyFormat = `{"order_number":"%s","amount":1999,"currency":"EUR",` +
	`"payment_method":"tok_visa","customer":"c_81","description":"two books","metadata":{"cart":"918273"}%s}`

const digitsLen = 8

func newRequest(plan Plan, connection int) *request {
	number := fmt.Sprintf(numberFormat, plan.Run, connection, 0)
	path, kind, key := "/v1/payments", "application/json", ""
	due := ""
	if !plan.NotBefore.IsZero() {
		due = `,"not_before":"` + plan.NotBefore.UTC().Format(time.RFC3339) + `"`
	}
	body := fmt.Sprintf(bodyFormat, number, due)
	if plan.Batch > 1 {
		path, kind = "/v1/payments/batch", "application/x-ndjson"
		body = string(bytes.Repeat([]byte(body+"\n"), plan.Batch))
	}
	if plan.Keyed {
		key = "Idempotency-Key: " + number + "\r\n"
	}
	head := fmt.Sprintf("POST %s HTTP/1.1\r\nHost: %s\r\nContent-Type: %s\r\n%s%sContent-Length: %d\r\n\r\n",
		path, plan.Address, kind, plan.authorization(), key, len(body))
	r := &request{bytes: []byte(head + body)}
	if plan.Keyed {
		r.add(bytes.Index(r.bytes, []byte(number)), len(number), 0)
	}
	from := len(head)
	for item := range plan.items() {
		at := from + bytes.Index(r.bytes[from:], []byte(number))
		r.add(at, len(number), item)
		from = at + len(number)
	}
	return r
}

// add notes an order number whose last digits are an item's.
func (r *request) add(at, length, item int) {
	r.places = append(r.places, place{digits: r.bytes[at+length-digitsLen : at+length], item: item})
}

// of gives the request for an order, or for as many from it on as it has items. It
// holds until the next call.
func (r *request) of(first int) []byte {
	for _, p := range r.places {
		order := first + p.item
		for i := digitsLen - 1; i >= 0; i-- {
			p.digits[i] = byte('0' + order%10)
			order /= 10
		}
	}
	return r.bytes
}
