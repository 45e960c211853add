package object

import "github.com/paybuf/paybuf/payment"

// TokenCollectionPath is where payment tokens are asked for.
const TokenCollectionPath = "/v1/payment-tokens" //nolint:gosec // a path, no secret

// Token is the wire form of a payment token that was just made. It is shown once.
type Token struct {
	Object       string `json:"object"` // "payment_token"
	PaymentToken string `json:"payment_token"`
	OrderNumber  string `json:"order_number"` // of the payment that comes of it
	Amount       int64  `json:"amount"`       // in the currency's minor unit
	Currency     string `json:"currency"`
	ExpiresAt    string `json:"expires_at"`
}

// TokenOf shows a token with its signed text.
func TokenOf(token payment.Token, text string) Token {
	return Token{
		Object:       "payment_token",
		PaymentToken: text,
		OrderNumber:  token.OrderNumber(),
		Amount:       token.Money.Minor(),
		Currency:     token.Money.Currency(),
		ExpiresAt:    timeText(token.ExpiresAt),
	}
}
