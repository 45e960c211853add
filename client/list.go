package client

import (
	"context"
	"fmt"
	"iter"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/paybuf/paybuf/payment"
)

// ListOptions say which payments are listed. Its zero value lists all.
type ListOptions struct {
	OrderNumber   string
	State         payment.State
	CreatedAfter  time.Time
	CreatedBefore time.Time
	Limit         int    // payments per page; what the API takes for usual if 0
	Cursor        string // of the page before; "" for the first
}

// PaymentPage is some of a tenant's payments.
type PaymentPage struct {
	Payments   []Payment `json:"data"`
	NextCursor string    `json:"next_cursor"` // "" if this is the last page
}

// List reads one page of payments.
func (c *Client) List(ctx context.Context, opts ListOptions) (PaymentPage, error) {
	path := paymentsPath
	if query := opts.query(); len(query) > 0 {
		path += "?" + query.Encode()
	}
	ans, err := c.do(ctx, call{method: http.MethodGet, path: path})
	if err != nil {
		return PaymentPage{}, fmt.Errorf("list payments: %w", err)
	}
	var read PaymentPage
	if err := json.Unmarshal(ans.body, &read); err != nil {
		return PaymentPage{}, fmt.Errorf("list payments: %w: HTTP %d without a list: %w", ErrNoAnswer, ans.status, err)
	}
	for _, listed := range read.Payments {
		if _, err := payment.ParseID(string(listed.ID)); err != nil {
			return PaymentPage{}, fmt.Errorf("list payments: %w: HTTP %d: %w", ErrNoAnswer, ans.status, err)
		}
	}
	return read, nil
}

// Payments gives the payments of all pages, from that of opts on. An error is the last
// that is given.
func (c *Client) Payments(ctx context.Context, opts ListOptions) iter.Seq2[Payment, error] {
	return func(yield func(Payment, error) bool) {
		for {
			page, err := c.List(ctx, opts)
			if err != nil {
				yield(Payment{}, err)
				return
			}
			for _, listed := range page.Payments {
				if !yield(listed, nil) {
					return
				}
			}
			if page.NextCursor == "" || page.NextCursor == opts.Cursor {
				return
			}
			opts.Cursor = page.NextCursor
		}
	}
}

func (o ListOptions) query() url.Values {
	query := url.Values{}
	set := func(name, value string) {
		if value != "" {
			query.Set(name, value)
		}
	}
	set("order_number", o.OrderNumber)
	set("state", string(o.State))
	set("created_after", timeText(o.CreatedAfter))
	set("created_before", timeText(o.CreatedBefore))
	set("cursor", o.Cursor)
	if o.Limit > 0 {
		query.Set("limit", strconv.Itoa(o.Limit))
	}
	return query
}

func timeText(at time.Time) string {
	if at.IsZero() {
		return ""
	}
	return at.UTC().Format(time.RFC3339Nano)
}
