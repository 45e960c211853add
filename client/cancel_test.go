package client_test

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/paybuf/paybuf/client"
	"github.com/paybuf/paybuf/payment"
)

// said is a request as the API got it.
type said struct{ method, target, kind, body string }

// noting is an API that answers and notes what it was asked last.
func notingTo(into *said, answer http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		raw, _ := io.ReadAll(r.Body)
		*into = said{r.Method, r.URL.RequestURI(), r.Header.Get("Content-Type"), string(raw)}
		answer(w, r)
	}
}

func TestCancel_callsAPaymentOff(t *testing.T) {
	var got said
	url := serve(t, hangsUp, notingTo(&got, says(http.StatusOK, paymentJSON(payment.Canceled, false))))
	canceled, err := client.New(url, client.Config{}).Cancel(t.Context(), paymentID)
	if err != nil || canceled.State != payment.Canceled || !canceled.Final {
		t.Errorf("got %+v, %v", canceled, err)
	}
	if want := (said{"POST", "/v1/payments/" + string(paymentID) + "/cancel", "", ""}); got != want {
		t.Errorf("sent %+v", got)
	}
}

func TestCancelOrder_mayBeOfAnOrderThatNeverCame(t *testing.T) {
	var got said
	bare := strings.Replace(paymentJSON(payment.Canceled, false), `"amount":1999,"currency":"EUR"`, `"amount":null,"currency":null`, 1)
	url := serve(t, notingTo(&got, says(http.StatusOK, bare)))
	canceled, err := client.New(url, client.Config{}).CancelOrder(t.Context(), `A-"1`)
	if err != nil || canceled.ID != paymentID || canceled.AmountMinor != 0 || canceled.Currency != "" {
		t.Errorf("got %+v, %v", canceled, err)
	}
	if want := (said{"POST", "/v1/payments/cancel", "application/json", `{"order_number":"A-\"1"}`}); got != want {
		t.Errorf("sent %+v", got)
	}
}

func TestCancel_aRefusalIsAProblem(t *testing.T) {
	url := serve(t, says(http.StatusConflict, `{"code":"not_cancelable","payment_id":"`+string(paymentID)+`"}`))
	api := client.New(url, client.Config{})
	for _, cancel := range []func() (client.Payment, error){
		func() (client.Payment, error) { return api.Cancel(t.Context(), paymentID) },
		func() (client.Payment, error) { return api.CancelOrder(t.Context(), "A-1") },
	} {
		_, err := cancel()
		problem, ok := errors.AsType[*client.Problem](err)
		if !ok || problem.Code != payment.CodeNotCancelable || problem.PaymentID != paymentID || errors.Is(err, client.ErrNoAnswer) {
			t.Errorf("got %v", err)
		}
	}
}

func TestNewToken_readsTheToken(t *testing.T) {
	var got said
	url := serve(t, notingTo(&got, says(http.StatusCreated, `{"object":"payment_token","payment_token":"pbt_x",
		"order_number":"token-x","amount":1999,"currency":"EUR","expires_at":"2026-11-21T10:00:00.000Z"}`)))
	token, err := client.New(url, client.Config{}).NewToken(t.Context(), 1999, "EUR", 90*time.Minute)
	want := client.Token{PaymentToken: "pbt_x", OrderNumber: "token-x", AmountMinor: 1999, Currency: "EUR",
		ExpiresAt: time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC)}
	if err != nil || token != want {
		t.Errorf("got %+v, %v", token, err)
	}
	if want := (said{"POST", "/v1/payment-tokens", "application/json", `{"amount":1999,"currency":"EUR","expires_in":5400}`}); got != want {
		t.Errorf("sent %+v", got)
	}
	url = serve(t, says(http.StatusCreated, `{}`))
	if _, err := client.New(url, client.Config{}).NewToken(t.Context(), 1, "EUR", 0); !errors.Is(err, client.ErrNoAnswer) {
		t.Errorf("an answer without a token: %v", err)
	}
}

func TestSubmit_sendsWhatAnOrderIsBoundTo(t *testing.T) {
	var got said
	linked := strings.Replace(paymentJSON(payment.Failed, false), `"failure"`,
		`"not_before":"2026-11-21T10:00:00.000Z","retry_of":"`+string(paymentID)+`","retried_by":null,"failure"`, 1)
	url := serve(t, notingTo(&got, says(http.StatusAccepted, linked)))
	at := time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC)
	read, err := client.New(url, client.Config{}).Submit(t.Context(), client.Order{
		PaymentToken: "pbt_x", AmountMinor: 1999, Currency: "EUR", PaymentMethod: "tok_visa", RetryOf: paymentID, NotBefore: at,
	})
	if err != nil || read.RetryOf != paymentID || read.RetriedBy != "" || !read.NotBefore.Equal(at) {
		t.Errorf("got %+v, %v", read, err)
	}
	want := `{"payment_token":"pbt_x","amount":1999,"currency":"EUR","payment_method":"tok_visa","retry_of":"` +
		string(paymentID) + `","not_before":"2026-11-21T10:00:00Z"}`
	if got.body != want {
		t.Errorf("sent %s\nwant %s", got.body, want)
	}
}

func TestBatchPayments_givesAPageAndWhereTheNextBegins(t *testing.T) {
	var got said
	page := `{"object":"list","data":[` + paymentJSON(payment.Failed, false) + `],"next_cursor":"abc"}`
	url := serve(t, notingTo(&got, says(http.StatusOK, page)), notingTo(&got, says(http.StatusOK, `{"object":"list","data":[],"next_cursor":null}`)),
		says(http.StatusOK, `{"data":[{"id":"x"}]}`))
	api := client.New(url, client.Config{})
	first, err := api.BatchPayments(t.Context(), batchID, payment.Failed, "")
	if err != nil || len(first.Payments) != 1 || first.Payments[0].ID != paymentID || first.NextCursor != "abc" {
		t.Errorf("got %+v, %v", first, err)
	}
	if want := "/v1/batches/" + string(batchID) + "/payments?limit=1000&state=failed"; got.target != want {
		t.Errorf("asked %s", got.target)
	}
	last, err := api.BatchPayments(t.Context(), batchID, "", "abc")
	if err != nil || len(last.Payments) != 0 || last.NextCursor != "" {
		t.Errorf("got %+v, %v", last, err)
	}
	if want := "/v1/batches/" + string(batchID) + "/payments?cursor=abc&limit=1000"; got.target != want {
		t.Errorf("asked %s", got.target)
	}
	if _, err := api.BatchPayments(t.Context(), batchID, "", ""); !errors.Is(err, client.ErrNoAnswer) {
		t.Errorf("what is no payment: %v", err)
	}
}
