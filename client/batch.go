package client

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/paybuf/paybuf/payment"
)

const (
	batchPath   = paymentsPath + "/batch"
	batchesPath = "/v1/batches"
	ndjsonType  = "application/x-ndjson"
)

// BatchAnswer is the API's answer to a batch of orders.
type BatchAnswer struct {
	ID         payment.BatchID `json:"id"`
	StatusURL  string          `json:"status_url"`
	Total      int             `json:"total"` // of Accepted, Duplicates and Refused
	Accepted   int             `json:"accepted"`
	Duplicates int             `json:"duplicates"`
	Refused    int             `json:"refused"`
	Items      []BatchItem     `json:"items"` // one for each order, in their order

	RetryAfter time.Duration `json:"-"` // when it is worth looking, or sending the rest again
}

// BatchItem is what came of one order of a batch: either a payment or a problem.
type BatchItem struct {
	Index   int      `json:"index"`
	Status  int      `json:"status"` // of HTTP, had the order been sent alone
	Payment *Payment `json:"payment"`
	Problem *Problem `json:"problem"`
}

// Err is nil or the item's *Problem.
func (i BatchItem) Err() error {
	if i.Problem == nil {
		return nil
	}
	return i.Problem
}

// Temporary tells that the order was not refused for what it says, so that it is
// to be sent again as it is.
func (i BatchItem) Temporary() bool { return i.Problem != nil && i.Problem.temporary() }

// Batch is how far a batch has come.
type Batch struct {
	ID          payment.BatchID       `json:"id"`
	StatusURL   string                `json:"status_url"`
	PaymentsURL string                `json:"payments_url"`
	CreatedAt   time.Time             `json:"created_at"`
	Total       int                   `json:"total"` // payments, each once
	Final       bool                  `json:"final"` // none of them changes again
	Counts      map[payment.State]int `json:"counts"`

	RetryAfter time.Duration `json:"-"` // when it is worth looking again; 0 if not told
}

// SubmitBatch sends up to payment.BatchItemsMax orders at once. It is repeated as
// Submit is, as long as none of them has an answer; of orders whose item is
// Temporary the caller sends the rest again. If the API has judged the items and
// accepted none, the error is a *Problem with Items.
func (c *Client) SubmitBatch(ctx context.Context, orders []Order) (BatchAnswer, error) {
	lines := make([][]byte, len(orders))
	for i, order := range orders {
		line, err := json.Marshal(order)
		if err != nil {
			return BatchAnswer{}, fmt.Errorf("submit a batch: write order %d: %w", i, err)
		}
		lines[i] = line
	}
	return c.SubmitBatchJSON(ctx, lines)
}

// SubmitBatchJSON is SubmitBatch for orders that are JSON already, each without a
// line break.
func (c *Client) SubmitBatchJSON(ctx context.Context, orders [][]byte) (BatchAnswer, error) {
	body := bytes.Join(orders, []byte("\n"))
	ans, err := c.do(ctx, call{method: http.MethodPost, path: batchPath, body: body, kind: ndjsonType})
	if err != nil {
		return BatchAnswer{}, fmt.Errorf("submit a batch: %w", err)
	}
	var read BatchAnswer
	if err := readBatch(ans, &read, &read.ID); err != nil {
		return BatchAnswer{}, fmt.Errorf("submit a batch: %w", err)
	}
	if err := read.check(len(orders)); err != nil {
		return BatchAnswer{}, fmt.Errorf("submit a batch: %w: HTTP %d: %w", ErrNoAnswer, ans.status, err)
	}
	read.RetryAfter = ans.retryAfter()
	return read, nil
}

// check holds an answer against what was sent.
func (a BatchAnswer) check(orders int) error {
	if len(a.Items) != orders {
		return fmt.Errorf("%d results for %d orders", len(a.Items), orders)
	}
	for i, item := range a.Items {
		if item.Index != i || (item.Payment == nil) == (item.Problem == nil) {
			return fmt.Errorf("result %d is none", i)
		}
	}
	return nil
}

// Batch reads how far a batch has come. An id that the key's tenant does not have
// is a *Problem with status 404.
func (c *Client) Batch(ctx context.Context, id payment.BatchID) (Batch, error) {
	ans, err := c.do(ctx, call{method: http.MethodGet, path: batchesPath + "/" + url.PathEscape(string(id))})
	if err != nil {
		return Batch{}, fmt.Errorf("get %s: %w", id, err)
	}
	var read Batch
	if err := readBatch(ans, &read, &read.ID); err != nil {
		return Batch{}, fmt.Errorf("get %s: %w", id, err)
	}
	read.RetryAfter = ans.retryAfter()
	return read, nil
}

// readBatch reads a success about a batch, whose id is in there at id.
func readBatch(ans answer, into any, id *payment.BatchID) error {
	err := json.Unmarshal(ans.body, into)
	if err == nil {
		_, err = payment.ParseBatchID(string(*id))
	}
	if err != nil {
		return fmt.Errorf("%w: HTTP %d without a batch: %w", ErrNoAnswer, ans.status, err)
	}
	return nil
}
