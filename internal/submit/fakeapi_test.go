package submit

import (
	"crypto/sha256"
	"encoding/base32"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"

	"github.com/go-json-experiment/json"

	"github.com/paybuf/paybuf/payment"
)

// fakeAPI is Paybuf's API as far as a client can tell: the first body of an order
// number wins, and a payment is what outcome says when it is asked for.
type fakeAPI struct {
	// before may answer in place of the API; n counts the requests from 1.
	before func(n int, w http.ResponseWriter, r *http.Request) (answered bool)
	// outcome tells a payment's state at the poll-th look; succeeded if nil.
	outcome func(order fakeOrder, poll int) payment.State

	mu       sync.Mutex
	requests int
	orders   map[string]*fakeOrder // by order number
	byID     map[payment.ID]*fakeOrder
	bodies   []string // of the requests that came through, as they came
}

// fakeOrder is what the API reads of a request and remembers.
type fakeOrder struct {
	OrderNumber   string `json:"order_number"`
	AmountMinor   int64  `json:"amount"`
	Currency      string `json:"currency"`
	PaymentMethod string `json:"payment_method"`
	Customer      string `json:"customer"`

	id    payment.ID
	polls int
}

func (o fakeOrder) sameAs(other fakeOrder) bool {
	return o.AmountMinor == other.AmountMinor && o.Currency == other.Currency &&
		o.PaymentMethod == other.PaymentMethod && o.Customer == other.Customer
}

// ServeHTTP implements http.Handler.
func (f *fakeAPI) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	f.requests++
	n, before := f.requests, f.before
	f.mu.Unlock()
	if before != nil && before(n, w, r) {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.orders == nil {
		f.orders, f.byID = map[string]*fakeOrder{}, map[payment.ID]*fakeOrder{}
	}
	if r.URL.Path == "/v1/payments/batch" {
		f.acceptBatch(w, r)
		return
	}
	if r.Method == http.MethodPost {
		f.accept(w, r)
		return
	}
	f.show(w, payment.ID(strings.TrimPrefix(r.URL.Path, "/v1/payments/")))
}

func (f *fakeAPI) accept(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	f.bodies = append(f.bodies, string(body))
	var order fakeOrder
	if err := json.Unmarshal(body, &order); err != nil {
		refuse(w, http.StatusBadRequest, "malformed_request", "/", "is not a request")
		return
	}
	if order.AmountMinor <= 0 {
		refuse(w, http.StatusUnprocessableEntity, "invalid_request", "/amount", "must be greater than 0")
		return
	}
	first, known := f.orders[order.OrderNumber]
	if known && !first.sameAs(order) {
		refuse(w, http.StatusConflict, "order_conflict", "", "another body")
		return
	}
	if !known {
		order.id = fakeID(order.OrderNumber)
		first = &order
		f.orders[order.OrderNumber], f.byID[order.id] = first, first
	}
	w.WriteHeader(http.StatusAccepted)
	writePayment(w, *first, payment.Queued, known)
}

func (f *fakeAPI) show(w http.ResponseWriter, id payment.ID) {
	order, known := f.byID[id]
	if !known {
		refuse(w, http.StatusNotFound, "not_found", "", "no such payment")
		return
	}
	order.polls++
	state := payment.Succeeded
	if f.outcome != nil {
		state = f.outcome(*order, order.polls)
	}
	writePayment(w, *order, state, false)
}

func writePayment(w io.Writer, order fakeOrder, state payment.State, duplicate bool) {
	_, _ = fmt.Fprintf(w, `{"id":%q,"order_number":%q,"amount":%d,"currency":%q,"state":%q,"final":%t,"duplicate":%t}`,
		order.id, order.OrderNumber, order.AmountMinor, order.Currency, state, state.Final(), duplicate)
}

func refuse(w http.ResponseWriter, status int, code, pointer, detail string) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(status)
	_, _ = fmt.Fprintf(w, `{"status":%d,"code":%q,"detail":"refused","errors":[{"pointer":%q,"detail":%q}]}`,
		status, code, pointer, detail)
}

// fakeID is well-formed, and one per order number.
func fakeID(orderNumber string) payment.ID {
	sum := sha256.Sum256([]byte(orderNumber))
	encoded := base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(sum[:16])
	return payment.ID("pay_" + strings.ToLower(encoded))
}
