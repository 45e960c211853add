package client

import (
	"context"
	"fmt"
	"net/http"
	"net/url"

	"github.com/go-json-experiment/json"

	"github.com/paybuf/paybuf/payment"
)

// Cancel calls a payment off and gives it as it is then: canceled, and never
// charged. It is repeated while there is no definite answer, which is safe. The error
// is a *Problem with payment.CodeNotCancelable if the payer may have heard of the
// payment or it is final, and with status 404 if the key's tenant has no such
// payment.
func (c *Client) Cancel(ctx context.Context, id payment.ID) (Payment, error) {
	canceled, err := c.cancel(ctx, paymentsPath+"/"+url.PathEscape(string(id))+"/cancel", nil)
	if err != nil {
		return Payment{}, fmt.Errorf("cancel %s: %w", id, err)
	}
	return canceled, nil
}

// CancelOrder is Cancel for the last payment of an order. One that was never
// submitted is canceled before it comes: AmountMinor and Currency are then zero.
func (c *Client) CancelOrder(ctx context.Context, orderNumber string) (Payment, error) {
	body, err := json.Marshal(struct {
		OrderNumber string `json:"order_number"`
	}{orderNumber})
	if err != nil {
		return Payment{}, fmt.Errorf("cancel an order: write its number: %w", err)
	}
	canceled, err := c.cancel(ctx, paymentsPath+"/cancel", body)
	if err != nil {
		return Payment{}, fmt.Errorf("cancel an order: %w", err)
	}
	return canceled, nil
}

func (c *Client) cancel(ctx context.Context, path string, body []byte) (Payment, error) {
	ans, err := c.do(ctx, call{method: http.MethodPost, path: path, body: body})
	if err != nil {
		return Payment{}, err
	}
	return readPayment(ans)
}
