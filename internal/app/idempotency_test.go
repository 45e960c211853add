package app_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/paybuf/paybuf/internal/app"
	"github.com/paybuf/paybuf/payment"
)

const idempotencyKey = "cart-7-checkout-3"

// postKeyed sends a body with the test's idempotency key.
func (c *caller) postKeyed(body string) answer {
	c.t.Helper()
	return c.must(c.try(http.MethodPost, "/v1/payments", body,
		"Content-Type: application/json", `Idempotency-Key: "`+idempotencyKey+`"`))
}

func TestIdempotencyKey_standsForOneRequestThroughRestartAndOutcome(t *testing.T) {
	t.Parallel()
	in := install(t)
	opts := in.options(app.RoleIngest, app.RoleStatus)
	opts.Buffer.DedupWindow = 200 * time.Millisecond
	p := in.startWith(opts)
	p.awaitReady("")
	c := in.client(p, "acme")

	first := c.postKeyed(order("A-1", 100))
	equal(t, "status", first.status, http.StatusAccepted)
	again := c.postKeyed(order("A-1", 100))
	equal(t, "header of the second", again.header.Get("Idempotent-Replayed"), "true")
	equal(t, "accepted at", again.shown.AcceptedAt, first.shown.AcceptedAt)
	p.stop()

	opts.Roles = app.Roles()
	p = in.startWith(opts)
	p.awaitReady("")
	c.url = p.app.URL()
	eventually(t, "the API key is known again", func() bool { return c.get("/v1/payments?order_number=none").status == http.StatusOK })
	for _, other := range []string{order("A-1", 999), order("A-2", 100)} {
		refused := c.postKeyed(other)
		equal(t, "status of another request", refused.status, http.StatusUnprocessableEntity)
		equal(t, "code of another request", refused.shown.Code, payment.CodeKeyReused)
	}
	operator := newCaller(t, p.app.OperatorURL(), "")
	eventually(t, "the key is counted", func() bool {
		return strings.Contains(operator.get("/metrics").text, "paybuf_idempotency_keys 1\n")
	})

	c.await(first.shown.ID)
	eventually(t, "the stream has forgotten the payment", func() bool {
		return strings.Contains(operator.get("/metrics").text, `paybuf_buffer_messages{stream="PAYBUF_0"} 0`)
	})
	var final answer
	eventually(t, "the first process could no longer be at it", func() bool {
		final = c.postKeyed(order("A-1", 100))
		return final.shown.Code != payment.CodeKeyInUse
	})
	equal(t, "status of the last", final.status, http.StatusOK)
	equal(t, "header of the last", final.header.Get("Idempotent-Replayed"), "true")
	equal(t, "state", final.shown.State, payment.Succeeded)
	in.payer.wantOnce(map[payment.ID]int64{first.shown.ID: 100})
	if strings.Contains(in.logs.String(), idempotencyKey) {
		t.Error("the key is in the log")
	}
}
