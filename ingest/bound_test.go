package ingest_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/paybuf/paybuf/ingest"
	"github.com/paybuf/paybuf/payment"
)

func TestPost_theBufferGetsWhatARequestIsBoundTo(t *testing.T) {
	service := serve(t, ingest.Config{})
	const first = payment.ID("pay_aaaaaaaaaaaaaaaaaaaaaaaaaa")
	got := service.post(t, with(`"order_number":"A-1001","retry_of":"`+string(first)+`","not_before":"2026-11-21T10:30:00.0019+01:00"`))
	kept := service.store.all()
	if got.status != http.StatusAccepted || len(kept) != 1 {
		t.Fatalf("got %d %s", got.status, got.body)
	}
	want := time.Date(2026, 11, 21, 9, 30, 0, 1e6, time.UTC)
	if kept[0].RetryOf != first || kept[0].NotBefore != want || kept[0].ID != idKey(t).Derive("acme", "A-1001", first) {
		t.Errorf("kept %+v", kept[0])
	}
}

func TestPost_anotherTimeIsAnotherBody(t *testing.T) {
	service := serve(t, ingest.Config{})
	at := with(`"order_number":"A-1001","not_before":"2026-11-21T10:00:00Z"`)
	service.post(t, at)
	if got := service.post(t, strings.Replace(at, "10:00:00Z", "11:00:00+01:00", 1)); got.header.Get("Idempotent-Replayed") != "true" {
		t.Errorf("the same time in another zone: %d %s", got.status, got.body)
	}
	service.post(t, strings.Replace(at, "10:00:00Z", "10:00:01Z", 1)).problem(t, 409, payment.CodeOrderConflict)
	service.post(t, with(`"order_number":"A-1001"`)).problem(t, 409, payment.CodeOrderConflict)
}

func TestPost_whatIsWrongWithBoundsStandsBesideTheRest(t *testing.T) {
	service := serve(t, ingest.Config{})
	got := service.post(t, with(`"order_number":null,"retry_of":1,"not_before":"soon"`))
	wantFields(t, got.problem(t, 422, payment.CodeInvalid),
		problemField{"/not_before", "must be a time such as 2026-11-21T09:00:00Z"},
		problemField{"/order_number", "must not be null"},
		problemField{"/retry_of", "must be a string, not a number"})
	for _, body := range []string{with(`"retry_of":"` + card + `"`), with(`"not_before":"` + card + `"`), with(`"payment_token":"` + card + `"`)} {
		if got := service.post(t, body); got.status != 422 || strings.Contains(got.body, card) || !strings.Contains(got.body, string(payment.CodeCardNumber)) {
			t.Errorf("%s: %d %s", body, got.status, got.body)
		}
	}
}
