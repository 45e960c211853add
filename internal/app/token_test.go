package app_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/paybuf/paybuf/payment"
)

// token asks for one of an amount in EUR.
func (c *caller) token(minor, seconds int) answer {
	c.t.Helper()
	body := fmt.Sprintf(`{"amount":%d,"currency":"EUR","expires_in":%d}`, minor, seconds)
	got := c.must(c.try(http.MethodPost, "/v1/payment-tokens", body, "Content-Type: application/json"))
	if got.status != http.StatusCreated {
		c.t.Fatalf("token: %d %s", got.status, got.text)
	}
	return got
}

// spend is the body that submits a payment with a token.
func spend(token string, minor int) string {
	return fmt.Sprintf(`{"payment_token":%q,"amount":%d,"currency":"EUR","payment_method":"tok_visa"}`, token, minor)
}

func TestToken_paysOnceHoweverOftenItIsSpent(t *testing.T) {
	t.Parallel()
	in := install(t)
	p := in.start()
	c, other := in.client(p, "acme"), in.client(p, "umbrella")
	token := c.token(1999, 3600)
	body := spend(token.shown.PaymentToken, 1999)

	equal(t, "of another amount", c.post(spend(token.shown.PaymentToken, 1)).shown.Code, payment.CodeTokenInvalid)
	equal(t, "of another tenant", other.post(body).shown.Code, payment.CodeTokenInvalid)
	first := c.post(body)
	equal(t, "status", first.status, http.StatusAccepted)
	equal(t, "order number", first.shown.OrderNumber, token.shown.OrderNumber)
	again := c.post(body)
	equal(t, "again", again.header.Get("Idempotent-Replayed"), "true")
	equal(t, "with another method", c.post(strings.Replace(body, "tok_visa", "tok_amex", 1)).shown.Code, payment.CodeOrderConflict)
	equal(t, "its number by itself", c.post(order(token.shown.OrderNumber, 1)).shown.Code, payment.CodeInvalid)

	c.awaitSucceeded(map[payment.ID]int64{first.shown.ID: 1999})
	equal(t, "after the end", c.post(body).status, http.StatusOK)
	in.payer.wantOnce(map[payment.ID]int64{first.shown.ID: 1999})
}

// expired tells by the clock of this machine, which is the service's too.
func expired(t *testing.T, token answer) bool {
	t.Helper()
	at, err := time.Parse(time.RFC3339, token.shown.ExpiresAt)
	if err != nil {
		t.Fatal(err)
	}
	return time.Now().After(at)
}

func TestToken_expiredRepeatsWhatWasSpentInTime(t *testing.T) {
	t.Parallel()
	in := install(t)
	c := in.client(in.start(), "acme")
	spent, unspent := c.token(100, 2), c.token(100, 1)
	first := c.post(spend(spent.shown.PaymentToken, 100))
	equal(t, "status", first.status, http.StatusAccepted)
	c.awaitSucceeded(map[payment.ID]int64{first.shown.ID: 100})
	eventually(t, "both have expired", func() bool { return expired(t, spent) && expired(t, unspent) })
	gone := c.post(spend(unspent.shown.PaymentToken, 100))
	equal(t, "unspent", gone.status, http.StatusGone)
	equal(t, "code", gone.shown.Code, payment.CodeTokenExpired)
	equal(t, "spent", c.post(spend(spent.shown.PaymentToken, 100)).shown.ID, first.shown.ID)
	in.payer.wantOnce(map[payment.ID]int64{first.shown.ID: 100})
}

// A token that got into wrong hands is worth nothing once its order is canceled.
func TestToken_isRevokedByCancelingItsOrder(t *testing.T) {
	t.Parallel()
	in := install(t)
	c := in.client(in.start(), "acme")
	token := c.token(100, 3600)
	bare := c.cancelOrder(token.shown.OrderNumber)
	wantCanceled(t, bare, bare.shown.ID)
	c.post(spend(token.shown.PaymentToken, 100))
	eventually(t, "the request is dealt with", func() bool {
		return c.get("/v1/payments/"+string(bare.shown.ID)).shown.Amount == 100
	})
	equal(t, "state", c.await(bare.shown.ID).shown.State, payment.Canceled)
	in.payer.wantOnce(nil)
}
