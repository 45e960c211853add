package app_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/paybuf/paybuf/internal/app"
	"github.com/paybuf/paybuf/payment"
)

// cancel calls a payment off.
func (c *caller) cancel(id payment.ID) answer {
	c.t.Helper()
	return c.must(c.try(http.MethodPost, "/v1/payments/"+string(id)+"/cancel", ""))
}

func (c *caller) cancelOrder(number string) answer {
	c.t.Helper()
	return c.must(c.try(http.MethodPost, "/v1/payments/cancel", fmt.Sprintf(`{"order_number":%q}`, number), "Content-Type: application/json"))
}

func wantCanceled(t *testing.T, got answer, id payment.ID) {
	t.Helper()
	if got.status != http.StatusOK || got.shown.ID != id || got.shown.State != payment.Canceled || !got.shown.Final {
		t.Errorf("%d %s, want %s canceled", got.status, got.text, id)
	}
}

func TestCancel_whatWaitsInTheBufferIsNeverCharged(t *testing.T) {
	t.Parallel()
	in := install(t)
	c := in.client(in.start(app.RoleIngest, app.RoleStatus), "acme")
	first, second, third := c.accept("A-1", 100), c.accept("A-2", 200), c.accept("A-3", 300)

	canceled := c.cancel(first.shown.ID)
	wantCanceled(t, canceled, first.shown.ID)
	equal(t, "amount", canceled.shown.Amount, 100)
	wantCanceled(t, c.cancelOrder("A-2"), second.shown.ID)
	equal(t, "what is shown", c.get("/v1/payments/"+string(first.shown.ID)).text, canceled.text)
	equal(t, "canceled again", c.cancel(first.shown.ID).text, canceled.text)

	in.start(app.RoleProcessor)
	c.awaitSucceeded(map[payment.ID]int64{third.shown.ID: 300})
	eventually(t, "all that waited is dealt with", func() bool { return in.count("SELECT count(*) FROM payments") == "3" })
	wantCanceled(t, c.get("/v1/payments/"+string(first.shown.ID)), first.shown.ID)
	wantCanceled(t, c.get("/v1/payments/"+string(second.shown.ID)), second.shown.ID)
	in.payer.wantOnce(map[payment.ID]int64{third.shown.ID: 300})
}

func TestCancel_beforeItsRequestCameWins(t *testing.T) {
	t.Parallel()
	in := install(t)
	c := in.client(in.start(), "acme")
	bare := c.cancelOrder("A-1")
	wantCanceled(t, bare, bare.shown.ID)
	if !strings.Contains(bare.text, `"amount":null,"currency":null`) {
		t.Errorf("it has an amount: %s", bare.text)
	}

	accepted := c.accept("A-1", 100)
	equal(t, "id", accepted.shown.ID, bare.shown.ID)
	eventually(t, "the request fills the payment in", func() bool {
		return c.get("/v1/payments/"+string(bare.shown.ID)).shown.Amount == 100
	})
	got := c.await(bare.shown.ID)
	equal(t, "state", got.shown.State, payment.Canceled)
	equal(t, "version has grown", got.shown.Version > bare.shown.Version, true)
	next := map[payment.ID]int64{c.accept("A-2", 200).shown.ID: 200}
	c.awaitSucceeded(next)
	equal(t, "sends", in.payer.sends(), int64(1))
	in.payer.wantOnce(next)
}

func TestCancel_aPaymentThatWaitsForAPayerThatIsDown(t *testing.T) {
	t.Parallel()
	in := install(t)
	in.payer.stop()
	c := in.client(in.start(), "acme")
	accepted := c.accept("A-1", 100)
	eventually(t, "it is tried again later", func() bool {
		return c.get(accepted.shown.StatusURL).shown.State == payment.Retrying
	})
	var canceled answer
	eventually(t, "it is canceled between two tries", func() bool {
		canceled = c.cancel(accepted.shown.ID)
		return canceled.status == http.StatusOK
	})
	wantCanceled(t, canceled, accepted.shown.ID)
	in.payer.start()
	next := map[payment.ID]int64{c.accept("A-2", 200).shown.ID: 200}
	c.awaitSucceeded(next)
	in.payer.wantOnce(next)
}

func TestCancel_whatWasChargedIsA409(t *testing.T) {
	t.Parallel()
	in := install(t)
	p := in.start()
	c, other := in.client(p, "acme"), in.client(p, "umbrella")
	paid := c.await(c.accept("A-1", 100).shown.ID)

	for _, got := range []answer{c.cancel(paid.shown.ID), c.cancelOrder("A-1")} {
		equal(t, "status", got.status, http.StatusConflict)
		equal(t, "code", got.shown.Code, payment.CodeNotCancelable)
		equal(t, "payment", got.shown.PaymentID, paid.shown.ID)
		equal(t, "Location", got.header.Get("Location"), "/v1/payments/"+string(paid.shown.ID))
		equal(t, "a reason is missing", got.shown.Detail == "", false)
	}
	foreign, unknown := other.cancel(paid.shown.ID), other.cancel("pay_aaaaaaaaaaaaaaaaaaaaaaaaaa")
	equal(t, "to another tenant", foreign.status, http.StatusNotFound)
	equal(t, "what it is told", foreign.shown.Detail, unknown.shown.Detail)
	equal(t, "what is shown", c.get(paid.shown.StatusURL).text, paid.text)
}

func TestCancel_withoutPostgresOrTheStreamIsNotKnown(t *testing.T) {
	t.Parallel()
	in := install(t)
	c := in.client(in.start(app.RoleIngest, app.RoleStatus), "acme")
	accepted := c.accept("A-1", 100)
	in.broker.stop()
	asked := make(chan answer, 2) // at once: each takes the time that the stream has
	for path, body := range map[string]string{
		"/v1/payments/" + string(accepted.shown.ID) + "/cancel": "", "/v1/payments/cancel": `{"order_number":"A-1"}`,
	} {
		go func() {
			got, _ := c.try(http.MethodPost, path, body, "Content-Type: application/json")
			asked <- got
		}()
	}
	for range cap(asked) {
		got := <-asked
		equal(t, "status", got.status, http.StatusServiceUnavailable)
		equal(t, "Retry-After is missing", got.header.Get("Retry-After") == "", false)
	}
	in.broker.start()
	eventually(t, "it is canceled when it is sent again", func() bool {
		return c.cancel(accepted.shown.ID).status == http.StatusOK
	})
}

// The paths of intake and of cancellations do not hide each other.
func TestCancel_itsPathsAreItsOwn(t *testing.T) {
	t.Parallel()
	in := install(t)
	p := in.start(app.RoleIngest, app.RoleStatus)
	c := in.client(p, "acme")
	for path, want := range map[string]int{
		"/v1/payments/cancel": http.StatusUnprocessableEntity, "/v1/payments/batch": http.StatusUnprocessableEntity,
		"/v1/payments/batch/cancel": http.StatusNotFound, "/v1/payments": http.StatusUnprocessableEntity,
		"/v1/payments/x": http.StatusMethodNotAllowed, "/v1/payment-tokens": http.StatusUnprocessableEntity,
	} {
		body := "{}"
		if path == "/v1/payments/batch" {
			body = "[]"
		}
		got := c.must(c.try(http.MethodPost, path, body, "Content-Type: application/json"))
		equal(t, path, got.status, want)
	}
	equal(t, "GET of a path that is no id", c.get("/v1/payments/cancel").status, http.StatusNotFound)
}
