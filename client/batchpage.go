package client

import (
	"context"
	"fmt"
	"net/http"
	"net/url"

	"github.com/go-json-experiment/json"

	"github.com/paybuf/paybuf/payment"
)

// BatchPage is some of a batch's payments, in the order of the batch.
type BatchPage struct {
	Payments   []Payment `json:"data"` // of one that nobody has claimed there is no more than ID and State
	NextCursor string    `json:"next_cursor"`
}

// BatchPayments lists a batch's payments: those in a state, or all if that is "". It
// begins at a page's NextCursor, or with "" at the beginning.
func (c *Client) BatchPayments(ctx context.Context, id payment.BatchID, state payment.State, cursor string) (BatchPage, error) {
	query := url.Values{"limit": {"1000"}}
	if state != "" {
		query.Set("state", string(state))
	}
	if cursor != "" {
		query.Set("cursor", cursor)
	}
	path := batchesPath + "/" + url.PathEscape(string(id)) + "/payments?" + query.Encode()
	ans, err := c.do(ctx, call{method: http.MethodGet, path: path})
	if err != nil {
		return BatchPage{}, fmt.Errorf("list the payments of %s: %w", id, err)
	}
	var read BatchPage
	if err := json.Unmarshal(ans.body, &read); err != nil {
		return BatchPage{}, fmt.Errorf("list the payments of %s: %w: HTTP %d without a list: %w", id, ErrNoAnswer, ans.status, err)
	}
	for _, listed := range read.Payments {
		if _, err := payment.ParseID(string(listed.ID)); err != nil {
			return BatchPage{}, fmt.Errorf("list the payments of %s: %w: HTTP %d: %w", id, ErrNoAnswer, ans.status, err)
		}
	}
	return read, nil
}
