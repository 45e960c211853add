package status_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/paybuf/paybuf/internal/object"
	"github.com/paybuf/paybuf/payment"
	"github.com/paybuf/paybuf/status"
)

// retryOf makes the request that tries a payment again.
func retryOf(t *testing.T, first payment.Payment) payment.Request {
	t.Helper()
	request, err := payment.NewRequest(idKey(t), first.Tenant, payment.Draft{
		OrderNumber: first.OrderNumber, AmountMinor: 1999, Currency: "EUR", PaymentMethod: "tok_amex", RetryOf: string(first.ID),
	}, time.Date(2026, 11, 21, 9, 5, 0, 0, time.UTC))
	if err != nil {
		t.Fatal(err)
	}
	return request
}

func TestList_showsWhatWaitsToTryAgain(t *testing.T) {
	for _, state := range []payment.State{payment.Failed, payment.Canceled} {
		service := serve(t, status.Config{})
		first := in(request(t, "acme", "A-1"), state, 2)
		service.world.claim(first)
		retry := retryOf(t, first)
		service.world.waiting[retry.ID] = retry
		list := service.get(t, of("A-1")).list(t)
		if len(list) != 2 || list[1].ID != retry.ID || list[1].State != payment.Queued {
			t.Errorf("behind %s: %+v", state, list)
		}
		wantAsked(t, service.world, "order acme", "peek", "order acme")
	}
}

func TestList_aRetryThatIsClaimedMeanwhileIsShownOnce(t *testing.T) {
	service := serve(t, status.Config{})
	first := in(request(t, "acme", "A-1"), payment.Failed, 2)
	service.world.claim(first)
	retry := retryOf(t, first)
	service.world.waiting[retry.ID] = retry
	service.world.afterPeek = func() { service.world.claim(in(retry, payment.Succeeded, 2)) }
	list := service.get(t, of("A-1")).list(t)
	if len(list) != 2 || list[1].ID != retry.ID || list[1].State != payment.Succeeded {
		t.Errorf("got %+v", list)
	}
}

func TestList_aRetryThatCannotBeLookedForIsNotLeftOut(t *testing.T) {
	service := serve(t, status.Config{})
	service.world.claim(in(request(t, "acme", "A-1"), payment.Failed, 2))
	service.world.backlogDown = true
	service.get(t, of("A-1")).problem(t, 503, payment.CodeUnavailable)
}

// A final payment has its last version, and yet shows something new.
func TestGet_aPaymentThatIsTriedAgainHasAnotherTag(t *testing.T) {
	service := serve(t, status.Config{})
	first := in(request(t, "acme", "A-1"), payment.Failed, 2)
	service.world.claim(first)
	before := service.get(t, object.Path(first.ID))
	service.world.claimed[0].RetriedBy = "pay_baaaaaaaaaaaaaaaaaaaaaaaaa"
	after := service.get(t, object.Path(first.ID), func(r *http.Request) { r.Header.Set("If-None-Match", before.header.Get("ETag")) })
	if after.status != http.StatusOK || after.body == before.body {
		t.Errorf("got %d %s", after.status, after.body)
	}
}
