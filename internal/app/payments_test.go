package app_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/paybuf/paybuf/internal/app"
	"github.com/paybuf/paybuf/internal/local/localtest"
	"github.com/paybuf/paybuf/payment"
	"github.com/paybuf/paybuf/processor/payer/simulator"
)

func TestPayment_goesFromPostToSucceeded(t *testing.T) {
	t.Parallel()
	in := install(t)
	c := in.client(in.start(), "acme")

	accepted := c.accept("A-1001", 1999)
	equal(t, "Location", accepted.header.Get("Location"), "/v1/payments/"+string(accepted.shown.ID))
	equal(t, "status URL", accepted.shown.StatusURL, c.url+"/v1/payments/"+string(accepted.shown.ID))
	equal(t, "Retry-After is missing", accepted.header.Get("Retry-After") == "", false)
	equal(t, "state", accepted.shown.State, payment.Queued)
	equal(t, "version", accepted.shown.Version, 0)
	equal(t, "duplicate", accepted.shown.Duplicate, false)

	c.await(accepted.shown.ID)
	paid := c.get(accepted.shown.StatusURL)
	equal(t, "state", paid.shown.State, payment.Succeeded)
	equal(t, "order number", paid.shown.OrderNumber, "A-1001")
	equal(t, "amount", paid.shown.Amount, 1999)
	equal(t, "attempts", paid.shown.Attempts, 1)
	equal(t, "payer's reference is missing", paid.shown.PayerReference == "", false)
	equal(t, "accepted at", paid.shown.AcceptedAt, accepted.shown.AcceptedAt)
	in.payer.wantOnce(map[payment.ID]int64{accepted.shown.ID: 1999})
}

func TestPayment_isReadAgainOnlyIfItChanged(t *testing.T) {
	t.Parallel()
	in := install(t)
	c := in.client(in.start(), "acme")
	paid := c.await(c.accept("A-1", 100).shown.ID)

	etag := paid.header.Get("ETag")
	equal(t, "ETag", etag, `"v`+itoa(int(paid.shown.Version))+`"`)
	same := c.get(paid.shown.StatusURL, "If-None-Match: "+etag)
	equal(t, "with its tag", same.status, http.StatusNotModified)
	equal(t, "body of a 304", same.text, "")
	other := c.get(paid.shown.StatusURL, `If-None-Match: "v0"`)
	equal(t, "with another tag", other.status, http.StatusOK)
	equal(t, "body", other.text, paid.text)

	list := c.get("/v1/payments?order_number=A-1")
	if len(list.shown.Data) != 1 || list.shown.Data[0].ID != paid.shown.ID {
		t.Errorf("by its order number: %s", list.text)
	}
}

func TestPayment_declinedFailsAndIsNotCharged(t *testing.T) {
	t.Parallel()
	payer := newPayer(t, func(o *simulator.Options) { o.Decline = 1 })
	in := installOn(t, localtest.Postgres(t), payer)
	c := in.client(in.start(), "acme")

	ended := c.await(c.accept("A-1", 100).shown.ID)
	equal(t, "state", ended.shown.State, payment.Failed)
	equal(t, "failure code is missing", ended.shown.Failure.Code == "", false)
	payer.wantOnce(nil)
}

func TestDuplicate_getsTheFirstAnswerAndThenTheOutcome(t *testing.T) {
	t.Parallel()
	in := install(t)
	c := in.client(in.start(app.RoleIngest, app.RoleStatus), "acme")

	first := c.accept("A-1", 100)
	again := c.accept("A-1", 100)
	equal(t, "header of the first", first.header.Get("Idempotent-Replayed"), "")
	equal(t, "header of the second", again.header.Get("Idempotent-Replayed"), "true")
	equal(t, "duplicate", again.shown.Duplicate, true)
	equal(t, "id", again.shown.ID, first.shown.ID)
	equal(t, "accepted at", again.shown.AcceptedAt, first.shown.AcceptedAt)

	in.start(app.RoleProcessor)
	paid := c.await(first.shown.ID)
	final := c.post(order("A-1", 100))
	equal(t, "status of the third", final.status, http.StatusOK)
	equal(t, "header of the third", final.header.Get("Idempotent-Replayed"), "true")
	equal(t, "duplicate", final.shown.Duplicate, true)
	equal(t, "state", final.shown.State, payment.Succeeded)
	equal(t, "version", final.shown.Version, paid.shown.Version)
	in.payer.wantOnce(map[payment.ID]int64{first.shown.ID: 100})
}

func TestConflict_isRefusedAndOnRecordAndNeverCharged(t *testing.T) {
	t.Parallel()
	in := install(t)
	c := in.client(in.start(), "acme")

	first := c.accept("A-1", 100)
	for range 2 { // the same other body is one conflict, however often it comes
		other := c.post(order("A-1", 999))
		equal(t, "status", other.status, http.StatusConflict)
		equal(t, "code", other.shown.Code, payment.CodeOrderConflict)
		equal(t, "payment", other.shown.PaymentID, first.shown.ID)
		equal(t, "Location", other.header.Get("Location"), "/v1/payments/"+string(first.shown.ID))
	}
	paid := c.await(first.shown.ID)
	equal(t, "amount", paid.shown.Amount, 100)

	admin := in.admin(false)
	eventually(t, "the conflict is on record", func() bool {
		totals, err := admin.Totals(t.Context())
		return err == nil && totals.Conflicts == 1
	})
	in.payer.wantOnce(map[payment.ID]int64{first.shown.ID: 100})
}

// The stream forgets a repetition after its window; the ledger never does.
func TestDuplicate_afterTheStreamForgotItIsStillPaidOnce(t *testing.T) {
	t.Parallel()
	in := install(t)
	opts := in.options(app.Roles()...)
	opts.Buffer.DedupWindow = 200 * time.Millisecond
	p := in.startWith(opts)
	p.awaitReady("")
	c := in.client(p, "acme")
	first := c.await(c.accept("A-1", 100).shown.ID)
	operator := newCaller(t, p.app.OperatorURL(), "")
	forgotten := func() bool {
		return strings.Contains(operator.get("/metrics").text, `paybuf_buffer_messages{stream="PAYBUF_0"} 0`)
	}
	eventually(t, "the stream is empty", forgotten)

	same := c.post(order("A-1", 100))
	equal(t, "the same again", same.shown.ID, first.shown.ID)
	c.post(order("A-1", 999))
	eventually(t, "the other body is on record", func() bool {
		return in.count("SELECT count(*) FROM conflicts WHERE amount_minor = 999") == "1"
	})
	eventually(t, "both are done with", forgotten)
	equal(t, "what is known of it", c.get(first.shown.StatusURL).text, first.text)
	in.payer.wantOnce(map[payment.ID]int64{first.shown.ID: 100})
}

func TestMetrics_countWhatHappened(t *testing.T) {
	t.Parallel()
	in := install(t)
	p := in.start()
	c := in.client(p, "acme")
	c.awaitSucceeded(c.acceptMany("A-", 3))

	operator := newCaller(t, p.app.OperatorURL(), "")
	for _, line := range []string{
		`paybuf_claims_total{result="claimed"} 3`,
		`paybuf_payer_calls_total{kind="charge"} 3`,
		`paybuf_outcomes_total{state="succeeded"} 3`,
		`paybuf_http_request_seconds_count{method="POST",route="/v1/payments",status="202"} 3`,
		`paybuf_payer_breaker_open 0`,
		`paybuf_receipts_pending_audit 3`,
	} {
		eventually(t, line, func() bool { return strings.Contains(operator.get("/metrics").text, line) })
	}
	equal(t, "health", operator.get("/healthz").status, http.StatusOK)
	for _, path := range []string{"/metrics", "/healthz", "/readyz"} {
		equal(t, path+" where clients are served", newCaller(t, c.url, "").get(path).status, http.StatusNotFound)
	}
}
