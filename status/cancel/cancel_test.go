package cancel_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/paybuf/paybuf/payment"
	"github.com/paybuf/paybuf/status/cancel"
)

func TestCancel_whatWaitsIsCanceledAndShown(t *testing.T) {
	service := serve(t, cancel.Config{PublicURL: "https://pay.example"})
	waiting := service.world.wait(request(t, "acme", "A-1", ""))
	got := service.cancel(t, waiting.ID)
	got.wantCanceled(t, waiting.ID)
	for name, want := range map[string]string{
		"Location": "/v1/payments/" + string(waiting.ID), "ETag": `"v1"`, "Cache-Control": "no-store", "Content-Type": "application/json",
	} {
		if value := got.header.Get(name); value != want {
			t.Errorf("%s is %q, want %q", name, value, want)
		}
	}
	if !strings.Contains(got.body, `"amount":1999`) || !strings.Contains(got.body, `"status_url":"https://pay.example/v1/payments/pay_`) {
		t.Errorf("got %s", got.body)
	}
	if again := service.cancel(t, waiting.ID); again.status != 200 || again.body != got.body {
		t.Errorf("again: %d %s", again.status, again.body)
	}
}

func TestCancel_theLedgerDecides(t *testing.T) {
	for _, state := range payment.States() {
		if state == payment.Queued {
			continue // is in no ledger
		}
		t.Run(string(state), func(t *testing.T) {
			service := serve(t, cancel.Config{})
			// What is claimed is still in the buffer for a while.
			row := service.world.row(service.world.wait(request(t, "acme", "A-1", "")), state)
			for _, got := range []answer{service.cancel(t, row.ID), service.cancelOrder(t, "A-1")} {
				switch state {
				case payment.Scheduled, payment.Retrying, payment.Canceled:
					got.wantCanceled(t, row.ID)
				default:
					said := got.problem(t, 409, payment.CodeNotCancelable)
					path := "/v1/payments/" + string(row.ID)
					if said.Detail != "the payment is "+string(state) || said.PaymentID != string(row.ID) ||
						said.PaymentURL != service.URL+path || got.header.Get("Location") != path {
						t.Errorf("got %s", got.body)
					}
				}
			}
		})
	}
}

func TestCancel_anotherTenantsPaymentLooksLikeNone(t *testing.T) {
	service := serve(t, cancel.Config{})
	waiting := service.world.wait(request(t, "acme", "A-1", ""))
	claimed := service.world.row(request(t, "acme", "A-2", ""), payment.Scheduled)
	want := service.cancel(t, "pay_aaaaaaaaaaaaaaaaaaaaaaaaaa", asUmbrella)
	want.problem(t, 404, payment.CodeNotFound)
	for _, id := range []payment.ID{waiting.ID, claimed.ID, "nonsense", "pay_x"} {
		if got := service.cancel(t, id, asUmbrella); got.status != want.status || got.body != want.body {
			t.Errorf("%s: got %d %s\nwant %d %s", id, got.status, got.body, want.status, want.body)
		}
	}
	if state := service.world.states()[claimed.ID]; state != payment.Scheduled {
		t.Errorf("another's cancellation made it %s", state)
	}
	// The same order number is another tenant's own.
	own := service.cancelOrder(t, "A-1", asUmbrella)
	own.wantCanceled(t, idKey(t).Derive("umbrella", "A-1", ""))
	service.cancel(t, waiting.ID).wantCanceled(t, waiting.ID)
}

func TestCancel_anOrderBeforeItsRequestCameHasNoAmount(t *testing.T) {
	service := serve(t, cancel.Config{})
	first := idKey(t).Derive("acme", "A-1", "")
	for range 2 {
		got := service.cancelOrder(t, "A-1")
		got.wantCanceled(t, first)
		if !strings.Contains(got.body, `"amount":null,"currency":null`) {
			t.Errorf("got %s", got.body)
		}
	}
}

// chain gives the links of an order, the first of which is no retry.
func chain(t *testing.T, links int) []payment.Request {
	t.Helper()
	requests := []payment.Request{request(t, "acme", "A-1", "")}
	for len(requests) < links {
		requests = append(requests, request(t, "acme", "A-1", requests[len(requests)-1].ID))
	}
	return requests
}

func TestCancelOrder_alsoWhatWaitsBehindAPaymentThatIsOver(t *testing.T) {
	for _, state := range []payment.State{payment.Failed, payment.Canceled, payment.Retrying} {
		service := serve(t, cancel.Config{})
		links := chain(t, 3)
		service.world.row(links[0], state)
		service.world.wait(links[1])
		service.world.wait(links[2])
		service.cancelOrder(t, "A-1").wantCanceled(t, links[2].ID)
		for _, link := range links[1:] {
			if got := service.world.states()[link.ID]; got != payment.Canceled {
				t.Errorf("behind %s: %s is %s", state, link.ID, got)
			}
		}
	}
}

// A retry that came too early has failed, and its request is seen in the buffer for a
// while all the same. The order is canceled, and that is the answer, however often.
func TestCancelOrder_aRetryThatWasRefusedDoesNotHideTheCancellation(t *testing.T) {
	for _, state := range []payment.State{payment.Scheduled, payment.Retrying, payment.Canceled} {
		service := serve(t, cancel.Config{})
		links := chain(t, 3)
		service.world.row(links[1], payment.Failed)
		service.world.row(links[0], state)
		service.world.wait(links[1])
		for range 2 {
			service.cancelOrder(t, "A-1").wantCanceled(t, links[0].ID)
		}
		service.world.wait(links[2])
		service.cancelOrder(t, "A-1").wantCanceled(t, links[2].ID)
	}
}

// The buffer forgets what was refused long ago, and what waits behind that may still
// be charged.
func TestCancelOrder_alsoWhatWaitsBehindARetryThatWasRefused(t *testing.T) {
	service := serve(t, cancel.Config{})
	links := chain(t, 3)
	service.world.row(links[1], payment.Failed)
	service.world.row(links[0], payment.Retrying)
	service.world.wait(links[2])
	service.cancelOrder(t, "A-1").wantCanceled(t, links[2].ID)
	if got := service.world.states()[links[0].ID]; got != payment.Canceled {
		t.Errorf("the first is %s", got)
	}
}

func TestCancelOrder_whatMayBeChargedIsNotHiddenByWhatWaitsBehind(t *testing.T) {
	for _, state := range []payment.State{payment.Paying, payment.Unknown, payment.Parked, payment.Succeeded} {
		service := serve(t, cancel.Config{})
		links := chain(t, 2)
		service.world.row(links[0], state)
		service.world.wait(links[1])
		if got := service.cancelOrder(t, "A-1").problem(t, 409, payment.CodeNotCancelable); got.PaymentID != string(links[0].ID) {
			t.Errorf("behind %s: got %+v", state, got)
		}
	}
}

// A payment that moves on between the two questions is judged where it has come to.
func TestCancel_aClaimMeanwhileIsSeen(t *testing.T) {
	service := serve(t, cancel.Config{})
	waiting := service.world.wait(request(t, "acme", "A-1", ""))
	service.world.afterPeek = func() {
		service.world.afterPeek = nil
		service.world.row(waiting, payment.Paying)
	}
	service.cancel(t, waiting.ID).problem(t, 409, payment.CodeNotCancelable)
}

func TestCancelOrder_ofAVeryLongChainGoesOnWhenItIsSentAgain(t *testing.T) {
	service := serve(t, cancel.Config{})
	links := chain(t, 180)
	for _, link := range links {
		service.world.wait(link)
	}
	service.cancelOrder(t, "A-1").problem(t, 503, payment.CodeUnavailable)
	service.cancelOrder(t, "A-1").wantCanceled(t, links[179].ID)
	if canceled := len(service.world.states()); canceled != 180 {
		t.Errorf("%d are canceled", canceled)
	}
}

func TestCancel_withoutAnAnswerNobodyKnows(t *testing.T) {
	for name, hurt := range map[string]func(*world){
		"ledger down":  func(w *world) { w.ledgerDown = true },
		"backlog down": func(w *world) { w.backlogDown = true },
		"ledger hangs": func(w *world) { w.hang = true },
	} {
		t.Run(name, func(t *testing.T) {
			service := serve(t, cancel.Config{Timeout: 20 * time.Millisecond})
			waiting := service.world.wait(request(t, "acme", "A-1", ""))
			hurt(service.world)
			for _, got := range []answer{service.cancel(t, waiting.ID), service.cancelOrder(t, "A-1")} {
				said := got.problem(t, 503, payment.CodeUnavailable)
				if !strings.Contains(said.Detail, "send the request again") || got.header.Get("Retry-After") != "1" || strings.Contains(got.body, "refused") {
					t.Errorf("got %s", got.body)
				}
			}
		})
	}
}

func TestCancelOrder_aRefusalWhosePaymentCannotBeReadIsNoAnswer(t *testing.T) {
	service := serve(t, cancel.Config{})
	service.world.row(request(t, "acme", "A-1", ""), payment.Failed)
	service.world.readDown = true
	service.cancelOrder(t, "A-1").problem(t, 503, payment.CodeUnavailable)
}

func TestCancel_bodies(t *testing.T) {
	service := serve(t, cancel.Config{})
	waiting := service.world.wait(request(t, "acme", "A-1", ""))
	item := "/v1/payments/" + string(waiting.ID) + "/cancel"
	const order = "/v1/payments/cancel"
	for i, test := range []struct {
		path, body string
		status     int
		code       payment.Code
	}{
		{item, `{"a":1}`, 422, payment.CodeInvalid}, {item, `[]`, 422, payment.CodeInvalid}, {item, ` null `, 422, payment.CodeInvalid},
		{item, `{`, 400, payment.CodeMalformed}, {item, `{}{}`, 400, payment.CodeMalformed},
		{item, strings.Repeat(" ", 5000), 413, payment.CodeTooLarge},
		{order, ``, 415, payment.CodeMediaType}, {order, `{}`, 422, payment.CodeInvalid}, {order, `null`, 422, payment.CodeInvalid},
		{order, `{"order_number":null}`, 422, payment.CodeInvalid}, {order, `{"order_number":1}`, 422, payment.CodeInvalid},
		{order, `{"order_number":""}`, 422, payment.CodeInvalid}, {order, `{"Order_number":"A-1"}`, 422, payment.CodeInvalid},
		{order, `{"order_number":"A-1","x":1}`, 422, payment.CodeInvalid}, {order, `"A-1"`, 422, payment.CodeInvalid},
		{order, `{"order_number":"A-1","order_number":"A-1"}`, 422, payment.CodeInvalid},
		{order, `{"order_number":"4242424242424242"}`, 422, payment.CodeCardNumber},
		{order, "{\"order_number\":\"\xff\"}", 400, payment.CodeMalformed},
		{order, `{"order_number":"` + strings.Repeat("x", 129) + `"}`, 422, payment.CodeInvalid},
		{order, `{"order_number":"` + strings.Repeat("x", 5000) + `"}`, 413, payment.CodeTooLarge},
	} {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			got := service.post(t, test.path, test.body)
			got.problem(t, test.status, test.code)
			if strings.Contains(got.body, "4242") {
				t.Errorf("a card number is repeated: %s", got.body)
			}
		})
	}
	if states := service.world.states(); len(states) > 0 {
		t.Errorf("canceled %v", states)
	}
	asText := func(r *http.Request) { r.Header.Set("Content-Type", "text/plain") }
	service.post(t, item, "{}", asText).problem(t, 415, payment.CodeMediaType)
	service.post(t, item, "{}", func(r *http.Request) { r.Header.Del("Authorization") }).problem(t, 401, payment.CodeUnauthenticated)
	service.post(t, item, " {} ").wantCanceled(t, waiting.ID)
}

func TestCancel_aFloodLeavesRoomForReaders(t *testing.T) {
	service := serve(t, cancel.Config{Timeout: 100 * time.Millisecond})
	service.world.hang, service.world.release = true, make(chan struct{})
	answers := make(chan answer)
	const many, atOnce = 12, 4
	for i := range many {
		go func() { answers <- service.cancelOrder(t, fmt.Sprint("A-", i)) }()
	}
	answered := func(n int, nothingDone bool) {
		t.Helper()
		for range n {
			got := <-answers
			said := got.problem(t, 503, payment.CodeUnavailable)
			if strings.Contains(said.Detail, "nothing was canceled") != nothingDone {
				t.Errorf("got %s", got.body)
			}
		}
	}
	answered(many-atOnce, true) // while the ledger is in the others' time and beyond it
	close(service.world.release)
	answered(atOnce, false)
	if most := service.world.mostAtOnce(); most != atOnce {
		t.Errorf("%d at the ledger at once, want %d", most, atOnce)
	}
}
