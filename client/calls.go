package client

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/paybuf/paybuf/payment"
)

const (
	paymentsPath = "/v1/payments"

	// pollBase and pollMax bound how often Wait looks if the API does not say.
	pollBase = 250 * time.Millisecond
	pollMax  = 5 * time.Second
)

// Submit sends an order and gives the payment that it has become, or the one that
// it was already (Duplicate). It is repeated while there is no definite answer,
// with the same order number, which makes that safe. The error is a *Problem if
// the API refuses, and Is ErrNoAnswer if nobody knows.
func (c *Client) Submit(ctx context.Context, order Order) (Payment, error) {
	body, err := json.Marshal(order)
	if err != nil {
		return Payment{}, fmt.Errorf("submit: write the order: %w", err)
	}
	if order.IdempotencyKey != "" {
		if err := payment.CheckIdempotencyKey(order.IdempotencyKey); err != nil {
			return Payment{}, fmt.Errorf("submit: %w", err)
		}
	}
	return c.submit(ctx, body, order.IdempotencyKey)
}

// SubmitJSON is Submit for an order that is JSON already; it is sent as it is.
func (c *Client) SubmitJSON(ctx context.Context, order []byte) (Payment, error) {
	return c.submit(ctx, order, "")
}

func (c *Client) submit(ctx context.Context, order []byte, key string) (Payment, error) {
	ans, err := c.do(ctx, call{method: http.MethodPost, path: paymentsPath, body: order, idempotencyKey: key})
	if err != nil {
		return Payment{}, fmt.Errorf("submit: %w", err)
	}
	accepted, err := readPayment(ans)
	if err != nil {
		return Payment{}, fmt.Errorf("submit: %w", err)
	}
	return accepted, nil
}

// Get reads one payment. An id that the key's tenant does not have is a *Problem
// with status 404.
func (c *Client) Get(ctx context.Context, id payment.ID) (Payment, error) {
	found, _, err := c.get(ctx, id, "")
	if err != nil {
		return Payment{}, fmt.Errorf("get %s: %w", id, err)
	}
	return found, nil
}

// Wait polls a payment, as often as the API asks for, until its state is final or
// it is parked, since what is parked waits for a human. It ends with the context
// at the latest; the payment is then the last that was seen.
func (c *Client) Wait(ctx context.Context, id payment.ID) (Payment, error) {
	var seen Payment
	etag := ""
	for poll := 0; ; poll++ {
		found, foundETag, err := c.get(ctx, id, etag)
		if err != nil {
			return seen, fmt.Errorf("wait for %s: %w", id, err)
		}
		told := found.RetryAfter
		if found.HTTPStatus != http.StatusNotModified {
			seen, etag = found, foundETag
		}
		if seen.Final || seen.State == payment.Parked {
			return seen, nil
		}
		if !sleep(ctx, pollAfter(poll, told)) {
			return seen, fmt.Errorf("wait for %s: still %s: %w", id, seen.State, context.Cause(ctx))
		}
	}
}

// get reads a payment, or only HTTPStatus and RetryAfter if it still has the
// entity tag.
func (c *Client) get(ctx context.Context, id payment.ID, etag string) (found Payment, foundETag string, err error) {
	path := paymentsPath + "/" + url.PathEscape(string(id))
	ans, err := c.do(ctx, call{method: http.MethodGet, path: path, etag: etag})
	if err != nil {
		return Payment{}, "", err
	}
	if ans.status == http.StatusNotModified {
		return Payment{HTTPStatus: ans.status, RetryAfter: ans.retryAfter()}, etag, nil
	}
	found, err = readPayment(ans)
	return found, ans.header.Get("ETag"), err
}

// readPayment reads a success. One that is no payment comes from something else
// than Paybuf, so nothing is known about the request.
func readPayment(ans answer) (Payment, error) {
	var read Payment
	if err := json.Unmarshal(ans.body, &read); err != nil {
		return Payment{}, fmt.Errorf("%w: HTTP %d without a payment: %w", ErrNoAnswer, ans.status, err)
	}
	if _, err := payment.ParseID(string(read.ID)); err != nil {
		return Payment{}, fmt.Errorf("%w: HTTP %d without a payment: %w", ErrNoAnswer, ans.status, err)
	}
	read.HTTPStatus = ans.status
	read.RetryAfter = ans.retryAfter()
	return read, nil
}

// pollAfter is what the API told, or else a growing pause with jitter.
func pollAfter(poll int, told time.Duration) time.Duration {
	if told > 0 {
		return told
	}
	pause := min(pollMax, pollBase<<min(poll, 10))
	return pause/2 + rand.N(pause/2) //nolint:gosec // spreads load, guards nothing
}
