package client_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/paybuf/paybuf/client"
	"github.com/paybuf/paybuf/payment"
)

const batchID = payment.BatchID("bat_6hipcqekvidpkogichfupc3c5e")

func batchJSON(items ...string) string {
	for i, item := range items {
		items[i] = fmt.Sprintf(`{"index":%d,%s}`, i, item)
	}
	return fmt.Sprintf(`{"id":%q,"object":"batch","status_url":"http://host/v1/batches/%s","total":%d,"accepted":1,
		"duplicates":0,"refused":2,"invented_later":1,"items":[%s]}`, batchID, batchID, len(items), strings.Join(items, ","))
}

func paymentItem() string {
	return `"status":202,"payment":` + paymentJSON(payment.Queued, false)
}

func problemItem(status int, code payment.Code) string {
	return fmt.Sprintf(`"status":%d,"problem":{"status":%d,"code":%q,"detail":"why"}`, status, status, code)
}

func TestSubmitBatch_givesAResultForEachOrder(t *testing.T) {
	var sent, kind, path string
	full := batchJSON(paymentItem(), problemItem(503, payment.CodeBufferFull), problemItem(409, payment.CodeOrderConflict))
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		sent, kind, path = string(body), r.Header.Get("Content-Type"), r.URL.Path
		says(http.StatusAccepted, full, "Retry-After: 7")(w, r)
	})
	orders := []client.Order{
		{OrderNumber: "A-1", AmountMinor: 1, Currency: "EUR", PaymentMethod: "tok", Description: "two\nlines"},
		{OrderNumber: "A-2", AmountMinor: 2, Currency: "EUR", PaymentMethod: "tok"}, {OrderNumber: "A-3"},
	}
	got, err := client.New(url, client.Config{}).SubmitBatch(t.Context(), orders)
	if err != nil {
		t.Fatal(err)
	}
	if path != "/v1/payments/batch" || kind != "application/x-ndjson" || strings.Count(sent, "\n") != 2 ||
		!strings.HasPrefix(sent, `{"order_number":"A-1","amount":1,`) {
		t.Errorf("sent %s to %s as %s", sent, path, kind)
	}
	if got.ID != batchID || got.Total != 3 || got.Accepted != 1 || got.Refused != 2 || got.RetryAfter != 7*time.Second {
		t.Errorf("got %+v", got)
	}
	if first := got.Items[0]; first.Payment == nil || first.Payment.ID != paymentID || first.Err() != nil || first.Temporary() {
		t.Errorf("the first is %+v", first)
	}
	if !got.Items[1].Temporary() || got.Items[2].Temporary() || got.Items[2].Problem.Code != payment.CodeOrderConflict {
		t.Errorf("the others are %+v, %+v", got.Items[1], got.Items[2])
	}
}

func TestSubmitBatch_whatIsOverTheTenantsShareIsToBeSentAgain(t *testing.T) {
	over := problemItem(http.StatusTooManyRequests, payment.CodeTenantShare)
	whole := `{"code":"tenant_share_exceeded","items":[{"index":0,` + over + `},{"index":1,` + over + `}]}`
	url := serve(t, says(http.StatusTooManyRequests, whole), says(http.StatusAccepted, batchJSON(paymentItem(), over)))
	got, err := client.New(url, client.Config{}).SubmitBatch(t.Context(), make([]client.Order, 2))
	if err != nil || got.Items[0].Temporary() || !got.Items[1].Temporary() {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestSubmitBatch_isRepeatedWhileNothingIsAnswered(t *testing.T) {
	url := serve(t, hangsUp, says(http.StatusServiceUnavailable, `{"code":"buffer_full","items":[]}`),
		says(http.StatusAccepted, batchJSON(paymentItem())))
	got, err := client.New(url, client.Config{}).SubmitBatchJSON(t.Context(), [][]byte{[]byte("{}")})
	if err != nil || got.ID != batchID {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestSubmitBatch_ofWhichNothingIsAcceptedTellsWhy(t *testing.T) {
	url := serve(t, says(http.StatusUnprocessableEntity,
		`{"code":"batch_refused","detail":"none","items":[{"index":0,`+problemItem(422, payment.CodeInvalid)+`}]}`))
	_, err := client.New(url, client.Config{}).SubmitBatch(t.Context(), make([]client.Order, 1))
	problem, ok := errors.AsType[*client.Problem](err)
	if !ok || problem.Code != payment.CodeBatchRefused || len(problem.Items) != 1 || problem.Items[0].Problem.Code != payment.CodeInvalid {
		t.Errorf("got %v", err)
	}
}

func TestSubmitBatch_anAnswerThatDoesNotFitIsNone(t *testing.T) {
	for name, body := range map[string]string{
		"no JSON":             "<html>",
		"a payment":           paymentJSON(payment.Queued, false),
		"a result too few":    batchJSON(paymentItem()),
		"a result of nothing": batchJSON(paymentItem(), `"status":202`),
		"results mixed up":    strings.Replace(batchJSON(paymentItem(), paymentItem()), `"index":1`, `"index":0`, 1),
	} {
		url := serve(t, says(http.StatusAccepted, body))
		_, err := client.New(url, client.Config{}).SubmitBatch(t.Context(), make([]client.Order, 2))
		if !errors.Is(err, client.ErrNoAnswer) {
			t.Errorf("%s: %v, want no answer", name, err)
		}
	}
}

func TestBatch_tellsHowFarItHasCome(t *testing.T) {
	url := serve(t, says(http.StatusOK, fmt.Sprintf(`{"id":%q,"total":3,"final":false,"counts":{"queued":1,"succeeded":2},
		"created_at":"2026-11-21T09:00:00.000Z","payments_url":"http://host/p"}`, batchID), "Retry-After: 1"),
		says(http.StatusNotFound, `{"code":"not_found"}`))
	api := client.New(url, client.Config{})
	got, err := api.Batch(t.Context(), batchID)
	if err != nil || got.ID != batchID || got.Final || got.Total != 3 || got.Counts[payment.Succeeded] != 2 ||
		got.RetryAfter != time.Second || got.CreatedAt.IsZero() || got.PaymentsURL == "" {
		t.Errorf("got %+v, %v", got, err)
	}
	_, err = api.Batch(t.Context(), batchID)
	if problem, ok := errors.AsType[*client.Problem](err); !ok || problem.Code != payment.CodeNotFound {
		t.Errorf("an unknown batch: %v", err)
	}
}
