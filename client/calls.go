package client

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/paybuf/paybuf/payment"
)

const paymentsPath = "/v1/payments"

// Submit sends an order and gives the payment that it has become, or the one that
// it was already (Duplicate). It is repeated while there is no definite answer,
// with the same order number, which makes that safe. The error is a *Problem if
// the API refuses, and Is ErrNoAnswer if nobody knows.
func (c *Client) Submit(ctx context.Context, order Order) (Payment, error) {
	return c.submitOrder(ctx, order, 0)
}

// SubmitAndWait is Submit, and then Wait for the end of the payment. The API holds its
// answer back for the first part of that, so what is paid at once costs one request.
// The context needs a deadline for what is not. If it ends first, the payment is the
// last that was seen; without an ID it was never seen to be accepted.
func (c *Client) SubmitAndWait(ctx context.Context, order Order) (Payment, error) {
	accepted, err := c.submitOrder(ctx, order, c.holdMost(ctx))
	if err != nil || accepted.ended() {
		return accepted, err
	}
	ended, err := c.waitFrom(ctx, accepted)
	ended.Duplicate = accepted.Duplicate
	return ended, err
}

func (c *Client) submitOrder(ctx context.Context, order Order, hold time.Duration) (Payment, error) {
	body, err := json.Marshal(order)
	if err != nil {
		return Payment{}, fmt.Errorf("submit: write the order: %w", err)
	}
	if order.IdempotencyKey != "" {
		if err := payment.CheckIdempotencyKey(order.IdempotencyKey); err != nil {
			return Payment{}, fmt.Errorf("submit: %w", err)
		}
	}
	return c.submit(ctx, call{body: body, idempotencyKey: order.IdempotencyKey, hold: hold})
}

// SubmitJSON is Submit for an order that is JSON already; it is sent as it is.
func (c *Client) SubmitJSON(ctx context.Context, order []byte) (Payment, error) {
	return c.submit(ctx, call{body: order})
}

func (c *Client) submit(ctx context.Context, what call) (Payment, error) {
	what.method, what.path = http.MethodPost, paymentsPath
	ans, err := c.do(ctx, what)
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
	seen, err := c.look(ctx, id, "", 0)
	if err != nil {
		return Payment{}, fmt.Errorf("get %s: %w", id, err)
	}
	return seen.payment, nil
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
