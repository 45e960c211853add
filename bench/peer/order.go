package peer

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/go-json-experiment/json"
)

const (
	bodyBytesMax = 64 << 10
	path         = "/v1/payments"
)

// order is the body of a request. The tags for River make the order number what
// a job is unique by.
type order struct {
	OrderNumber   string            `json:"order_number" river:"unique"`
	Amount        int64             `json:"amount"`
	Currency      string            `json:"currency"`
	PaymentMethod string            `json:"payment_method"`
	Customer      string            `json:"customer,omitzero"`
	Description   string            `json:"description,omitzero"`
	Metadata      map[string]string `json:"metadata,omitempty"`
}

// answer has the members that Paybuf's has.
type answer struct {
	ID          string `json:"id"`
	Object      string `json:"object"`
	OrderNumber string `json:"order_number"`
	Amount      int64  `json:"amount"`
	Currency    string `json:"currency"`
	State       string `json:"state"`
	Final       bool   `json:"final"`
	Version     int64  `json:"version"`
	Duplicate   bool   `json:"duplicate"`
	StatusURL   string `json:"status_url"`
	AcceptedAt  string `json:"accepted_at"`
}

var errIncomplete = errors.New("order_number, amount, currency and payment_method are required")

// readOrder refuses unknown and repeated members, names in another case, bytes
// that are not UTF-8, and orders that lack something.
func readOrder(w http.ResponseWriter, r *http.Request) (order, error) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, bodyBytesMax))
	if err != nil {
		return order{}, fmt.Errorf("read the body: %w", err)
	}
	var o order
	if err := json.Unmarshal(body, &o, json.RejectUnknownMembers(true)); err != nil {
		return order{}, fmt.Errorf("decode the body: %w", err)
	}
	if !o.isWhole() {
		return order{}, errIncomplete
	}
	return o, nil
}

func (o order) isWhole() bool {
	return o.OrderNumber != "" && o.Amount > 0 && len(o.Currency) == 3 && o.PaymentMethod != ""
}

func idOf(o order) string { return "pay_" + o.OrderNumber }

func accept(w http.ResponseWriter, r *http.Request, o order, duplicate bool) {
	id := idOf(o)
	body, err := json.Marshal(answer{
		ID: id, Object: "payment", OrderNumber: o.OrderNumber, Amount: o.Amount, Currency: o.Currency,
		State: "queued", Duplicate: duplicate, StatusURL: "http://" + r.Host + path + "/" + id,
		AcceptedAt: time.Now().UTC().Format("2006-01-02T15:04:05.000Z"),
	})
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Location", path+"/"+id)
	writeAccepted(w, body)
}

func writeAccepted(w http.ResponseWriter, body []byte) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusAccepted)
	_, _ = w.Write(body) // a client that is gone need not be told
}
