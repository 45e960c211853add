package object

import "github.com/paybuf/paybuf/payment"

// Where batches are sent, and where one and its payments are shown.
const (
	BatchCollectionPath  = CollectionPath + "/batch"
	BatchItemPattern     = batchesPath + "/{id}"
	BatchPaymentsPattern = BatchItemPattern + paymentsSuffix

	batchesPath    = "/v1/batches"
	paymentsSuffix = "/payments"
)

// BatchPath is the path of a batch's URL.
func BatchPath(id payment.BatchID) string { return batchesPath + "/" + string(id) }

// BatchHead is what every showing of a batch begins with.
type BatchHead struct {
	ID        payment.BatchID `json:"id"`
	Object    string          `json:"object"` // "batch"
	StatusURL string          `json:"status_url"`
}

// AcceptedBatch is the answer to a batch: what came of each of its items.
type AcceptedBatch struct {
	BatchHead
	Total      int            `json:"total"` // accepted, duplicates and refused together
	Accepted   int            `json:"accepted"`
	Duplicates int            `json:"duplicates"`
	Refused    int            `json:"refused"`
	Items      []AcceptedItem `json:"items"` // in the order of the request
}

// AcceptedItem is the answer to one item: a payment or a problem, and the status
// that it would have had as a request of its own.
type AcceptedItem struct {
	Index   int      `json:"index"`
	Status  int      `json:"status"`
	Payment *Payment `json:"payment,omitzero"`
	Problem any      `json:"problem,omitzero"`
}

// Batch shows how far a batch has come.
type Batch struct {
	BatchHead
	PaymentsURL string                `json:"payments_url"`
	CreatedAt   string                `json:"created_at"`
	Total       int                   `json:"total"`  // payments, each once
	Final       bool                  `json:"final"`  // all of them are
	Counts      map[payment.State]int `json:"counts"` // all states are there
}

// BatchPage is the wire form of some of a batch's payments.
type BatchPage struct {
	Object     string  `json:"object"`      // "list"
	Data       []any   `json:"data"`        // Payment, or Unclaimed
	NextCursor *string `json:"next_cursor"` // null on the last page
}

// Unclaimed is a payment of which nothing is known yet but that it was accepted.
type Unclaimed struct {
	ID        payment.ID    `json:"id"`
	Object    string        `json:"object"` // "payment"
	State     payment.State `json:"state"`  // queued
	Final     bool          `json:"final"`
	Version   int64         `json:"version"`
	StatusURL string        `json:"status_url"`
}

// HeadOf begins the showing of a batch.
func HeadOf(id payment.BatchID, base string) BatchHead {
	return BatchHead{ID: id, Object: "batch", StatusURL: base + BatchPath(id)}
}

// BatchOf shows a batch, with how many of its payments are in each state.
func BatchOf(batch payment.Batch, counts map[payment.State]int, base string) Batch {
	shown := Batch{
		BatchHead:   HeadOf(batch.ID, base),
		PaymentsURL: base + BatchPath(batch.ID) + paymentsSuffix,
		CreatedAt:   timeText(batch.CreatedAt),
		Total:       len(batch.Payments),
		Counts:      map[payment.State]int{},
	}
	final := 0
	for _, state := range payment.States() {
		shown.Counts[state] = counts[state]
		if state.Final() {
			final += counts[state]
		}
	}
	shown.Final = final == shown.Total
	return shown
}

// BatchPageOf shows items in the order given; next is "" on the last page.
func BatchPageOf(items []payment.BatchItem, next, base string) BatchPage {
	page := BatchPage{Object: "list", Data: make([]any, 0, len(items))}
	if next != "" {
		page.NextCursor = &next
	}
	for _, item := range items {
		if item.Payment.State == payment.Queued {
			id := item.Payment.ID
			page.Data = append(page.Data, Unclaimed{ID: id, Object: "payment", State: payment.Queued, StatusURL: base + Path(id)})
			continue
		}
		page.Data = append(page.Data, Of(item.Payment, base))
	}
	return page
}
