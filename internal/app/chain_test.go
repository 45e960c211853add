package app_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/paybuf/paybuf/internal/app"
	"github.com/paybuf/paybuf/payment"
	"github.com/paybuf/paybuf/processor/payer/simulator"
)

// retried is the order of a payment, with another payment method.
func retried(number string, minor int, method string, retryOf payment.ID) string {
	body := strings.Replace(order(number, minor), "tok_visa", method, 1)
	if retryOf != "" {
		body = body[:len(body)-1] + fmt.Sprintf(`,"retry_of":%q}`, retryOf)
	}
	return body
}

func TestChain_anotherPaymentMethodAfterADecline(t *testing.T) {
	t.Parallel()
	in := install(t)
	c := in.client(in.start(), "acme")
	declined := c.await(c.post(retried("A-1", 100, simulator.DeclinedMethod, "")).shown.ID)
	equal(t, "state", declined.shown.State, payment.Failed)

	retry := retried("A-1", 100, "tok_visa", declined.shown.ID)
	sent := c.post(retry)
	equal(t, "status", sent.status, http.StatusAccepted)
	equal(t, "is a payment of its own", sent.shown.ID == declined.shown.ID, false)
	paid := c.await(sent.shown.ID)
	equal(t, "state", paid.shown.State, payment.Succeeded)
	equal(t, "retry of", paid.shown.RetryOf, declined.shown.ID)
	equal(t, "sent again", c.post(retry).shown.ID, sent.shown.ID)

	before := c.get(declined.shown.StatusURL, "If-None-Match: "+declined.header.Get("ETag"))
	equal(t, "the first has another tag now", before.status, http.StatusOK)
	equal(t, "retried by", before.shown.RetriedBy, sent.shown.ID)
	equal(t, "its version", before.shown.Version, declined.shown.Version)
	list := c.get("/v1/payments?order_number=A-1")
	if len(list.shown.Data) != 2 || list.shown.Data[0].ID != declined.shown.ID || list.shown.Data[1].ID != sent.shown.ID {
		t.Errorf("the order's list is %s", list.text)
	}
	in.payer.wantOnce(map[payment.ID]int64{sent.shown.ID: 100})
}

func TestChain_whatSucceededIsNotTriedAgain(t *testing.T) {
	t.Parallel()
	in := install(t)
	c := in.client(in.start(), "acme")
	paid := c.await(c.accept("A-1", 100).shown.ID)
	second := c.await(c.post(retried("A-1", 100, "tok_amex", paid.shown.ID)).shown.ID)
	equal(t, "state", second.shown.State, payment.Failed)
	equal(t, "failure", second.shown.Failure.Code, payment.FailurePredecessor)
	equal(t, "attempts", second.shown.Attempts, 0)
	third := c.await(c.post(retried("A-1", 100, "tok_amex", second.shown.ID)).shown.ID)
	equal(t, "behind it", third.shown.Failure.Code, payment.FailurePredecessor)
	in.payer.wantOnce(map[payment.ID]int64{paid.shown.ID: 100})
}

func TestChain_aCanceledPaymentMayBeTriedAgain(t *testing.T) {
	t.Parallel()
	in := install(t)
	c := in.client(in.start(app.RoleIngest, app.RoleStatus), "acme")
	first := c.accept("A-1", 100)
	wantCanceled(t, c.cancel(first.shown.ID), first.shown.ID)
	second := c.post(retried("A-1", 150, "tok_visa", first.shown.ID))
	list := c.get("/v1/payments?order_number=A-1")
	equal(t, "payments in the list, one of which waits", len(list.shown.Data), 2)
	wantCanceled(t, c.cancelOrder("A-1"), second.shown.ID)
	third := c.post(retried("A-1", 170, "tok_visa", second.shown.ID))
	in.start(app.RoleProcessor)
	c.awaitSucceeded(map[payment.ID]int64{third.shown.ID: 170})
	in.payer.wantOnce(map[payment.ID]int64{third.shown.ID: 170})
}

func TestSchedule_isNotChargedBeforeItsTime(t *testing.T) {
	t.Parallel()
	in := install(t)
	c := in.client(in.start(), "acme")
	due := time.Now().Add(2 * time.Second).UTC().Truncate(time.Millisecond)
	body := order("A-1", 100)
	body = body[:len(body)-1] + fmt.Sprintf(`,"not_before":%q}`, due.Format(time.RFC3339Nano))
	accepted := c.post(body)
	equal(t, "status", accepted.status, http.StatusAccepted)
	eventually(t, "it is scheduled", func() bool { return c.get(accepted.shown.StatusURL).shown.State == payment.Scheduled })
	waiting := c.get(accepted.shown.StatusURL)
	equal(t, "not before", waiting.shown.NotBefore, due.Format("2006-01-02T15:04:05.000Z"))
	equal(t, "attempts", waiting.shown.Attempts, 0)

	early := in.payer.sends()
	beforeDue := time.Now().Before(due)
	if beforeDue && early != 0 {
		t.Errorf("the payer was called %d times before %s", early, due)
	}
	paid := c.await(accepted.shown.ID)
	equal(t, "state", paid.shown.State, payment.Succeeded)
	if at := in.count("SELECT min(started_at) >= max(p.not_before) FROM attempts a JOIN payments p ON p.id = a.payment_id"); at != "t" && at != "true" {
		t.Errorf("the first attempt was before its time: %s", at)
	}
	in.payer.wantOnce(map[payment.ID]int64{accepted.shown.ID: 100})
}

func TestSchedule_mayBeCanceledUntilItsTime(t *testing.T) {
	t.Parallel()
	in := install(t)
	c := in.client(in.start(), "acme")
	body := order("A-1", 100)
	body = body[:len(body)-1] + fmt.Sprintf(`,"not_before":%q}`, time.Now().Add(time.Hour).Format(time.RFC3339))
	accepted := c.post(body)
	eventually(t, "it is scheduled", func() bool { return c.get(accepted.shown.StatusURL).shown.State == payment.Scheduled })
	wantCanceled(t, c.cancel(accepted.shown.ID), accepted.shown.ID)
	equal(t, "sends", in.payer.sends(), int64(0))
}
