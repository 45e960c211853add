package client

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/go-json-experiment/json"
)

const tokensPath = "/v1/payment-tokens" //nolint:gosec // a path, no secret

// Token is the right to submit one payment of an amount until a time: put it in
// Order.PaymentToken, in place of an order number.
type Token struct {
	PaymentToken string    `json:"payment_token"`
	OrderNumber  string    `json:"order_number"` // of the payment that comes of it
	AmountMinor  int64     `json:"amount"`       // in minor units of Currency
	Currency     string    `json:"currency"`
	ExpiresAt    time.Time `json:"expires_at"`
}

// NewToken asks for a token that is good for a time, in whole seconds; for an hour
// if that is 0. Whoever may have got a token whose answer was lost has nothing to
// clear away: nothing is stored of it.
func (c *Client) NewToken(ctx context.Context, amountMinor int64, currency string, life time.Duration) (Token, error) {
	body, err := json.Marshal(struct {
		AmountMinor int64  `json:"amount"`
		Currency    string `json:"currency"`
		ExpiresIn   int64  `json:"expires_in,omitzero"`
	}{amountMinor, currency, int64(life / time.Second)})
	if err != nil {
		return Token{}, fmt.Errorf("ask for a payment token: %w", err)
	}
	ans, err := c.do(ctx, call{method: http.MethodPost, path: tokensPath, body: body})
	if err != nil {
		return Token{}, fmt.Errorf("ask for a payment token: %w", err)
	}
	var read Token
	if err := json.Unmarshal(ans.body, &read); err != nil || read.PaymentToken == "" {
		return Token{}, fmt.Errorf("ask for a payment token: %w: HTTP %d without one", ErrNoAnswer, ans.status)
	}
	return read, nil
}
