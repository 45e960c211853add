package client_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/paybuf/paybuf/client"
	"github.com/paybuf/paybuf/payment"
)

func order() client.Order {
	return client.Order{OrderNumber: "A-1", AmountMinor: 1999, Currency: "EUR", PaymentMethod: "tok_visa"}
}

func TestSubmit_sendsTheOrderAndReadsThePayment(t *testing.T) {
	var method, path, key, contentType, body string
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		raw, _ := io.ReadAll(r.Body)
		method, path, body = r.Method, r.URL.Path, string(raw)
		key, contentType = r.Header.Get("Authorization"), r.Header.Get("Content-Type")
		says(http.StatusAccepted, paymentJSON(payment.Queued, false), "Retry-After: 3")(w, r)
	})

	got, err := client.New(url+"/", client.Config{Key: "pbk_1_s"}).Submit(t.Context(), order())
	if err != nil {
		t.Fatal(err)
	}
	if method != "POST" || path != "/v1/payments" || key != "Bearer pbk_1_s" || contentType != "application/json" {
		t.Errorf("sent %s %s, Authorization %q, Content-Type %q", method, path, key, contentType)
	}
	const wantBody = `{"order_number":"A-1","amount":1999,"currency":"EUR","payment_method":"tok_visa"}`
	if body != wantBody {
		t.Errorf("sent %s\nwant %s", body, wantBody)
	}
	want := client.Payment{
		ID: paymentID, OrderNumber: "A-1", AmountMinor: 1999, Currency: "EUR",
		State: payment.Queued, Version: 3, StatusURL: "http://host/v1/payments/" + string(paymentID),
		AcceptedAt: time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC),
		HTTPStatus: http.StatusAccepted, RetryAfter: 3 * time.Second,
	}
	if got != want {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func TestSubmit_sendsAnAmountOfZeroForTheAPIToRefuse(t *testing.T) {
	var body string
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		raw, _ := io.ReadAll(r.Body)
		body = string(raw)
		says(http.StatusUnprocessableEntity, `{"code":"invalid_request"}`)(w, r)
	})
	free := order()
	free.AmountMinor = 0
	if _, err := client.New(url, client.Config{}).Submit(t.Context(), free); err == nil {
		t.Error("accepted")
	}
	if !strings.Contains(body, `"amount":0`) {
		t.Errorf("sent %s", body)
	}
}

func TestSubmit_tellsADuplicate(t *testing.T) {
	url := serve(t, says(http.StatusOK, paymentJSON(payment.Succeeded, true)))
	got, err := client.New(url, client.Config{}).Submit(t.Context(), order())
	if err != nil {
		t.Fatal(err)
	}
	if !got.Duplicate || !got.Final || got.HTTPStatus != http.StatusOK {
		t.Errorf("got %+v", got)
	}
}

func TestSubmit_aRefusalIsAProblemAndIsNotRepeated(t *testing.T) {
	const body = `{"type":"about:blank","title":"Conflict","status":409,"detail":"another body","code":"order_conflict",
		"errors":[{"pointer":"/amount","detail":"was 5"}],"payment_id":"pay_x",
		"payment_url":"http://host/v1/payments/pay_x","request_id":"r-1"}`
	calls := 0
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		calls++
		says(http.StatusConflict, body)(w, r)
	})

	_, err := client.New(url, client.Config{}).Submit(t.Context(), order())
	problem, ok := errors.AsType[*client.Problem](err)
	if !ok {
		t.Fatalf("got %v", err)
	}
	if problem.Type != "about:blank" || problem.Title != "Conflict" || problem.Status != http.StatusConflict ||
		problem.Detail != "another body" || problem.Code != payment.CodeOrderConflict ||
		problem.PaymentID != "pay_x" || problem.PaymentURL != "http://host/v1/payments/pay_x" || problem.RequestID != "r-1" {
		t.Errorf("got %+v", problem)
	}
	if len(problem.Errors) != 1 || problem.Errors[0] != (client.FieldProblem{Pointer: "/amount", Detail: "was 5"}) {
		t.Errorf("got fields %+v", problem.Errors)
	}
	if want := "submit: HTTP 409 order_conflict: another body; /amount was 5"; err.Error() != want {
		t.Errorf("got %q, want %q", err, want)
	}
	if errors.Is(err, client.ErrNoAnswer) {
		t.Error("a refusal is an answer")
	}
	if calls != 1 {
		t.Errorf("sent %d times", calls)
	}
}

func TestSubmit_sendsItsIdempotencyKeyInQuotes(t *testing.T) {
	var keys []string
	accepted := says(http.StatusAccepted, paymentJSON(payment.Queued, false))
	inUse := says(http.StatusConflict, `{"code":"idempotency_key_in_use"}`)
	noting := func(handler http.HandlerFunc) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			keys = append(keys, strings.Join(r.Header.Values("Idempotency-Key"), " | "))
			handler(w, r)
		}
	}
	c := client.New(serve(t, noting(inUse), noting(accepted), noting(accepted)), client.Config{})
	keyed := order()
	keyed.IdempotencyKey = `k"1\`
	for _, order := range []client.Order{keyed, order()} {
		if got, err := c.Submit(t.Context(), order); err != nil || got.ID != paymentID {
			t.Fatalf("got %+v, %v", got, err)
		}
	}
	want := `"k\"1\\"`
	if len(keys) != 3 || keys[0] != want || keys[1] != want || keys[2] != "" {
		t.Errorf("sent the keys %q, want %s twice and then none", keys, want)
	}
	keyed.IdempotencyKey = "two words"
	_, err := c.Submit(t.Context(), keyed)
	if code, _ := payment.CodeOf(err); code != payment.CodeKeyInvalid || errors.Is(err, client.ErrNoAnswer) {
		t.Errorf("a key that cannot be sent gave %v", err)
	}
}

func TestSubmit_aProxysPageIsAProblemToo(t *testing.T) {
	url := serve(t, says(http.StatusForbidden, "<html>no</html>", "Content-Type: text/html"))
	_, err := client.New(url, client.Config{}).Submit(t.Context(), order())
	problem, ok := errors.AsType[*client.Problem](err)
	if !ok || problem.Status != http.StatusForbidden || problem.Title != "Forbidden" || problem.Code != "" {
		t.Errorf("got %v", err)
	}
}

func TestSubmit_isRepeatedUntilThereIsAnAnswer(t *testing.T) {
	accepted := says(http.StatusAccepted, paymentJSON(payment.Queued, false))
	for name, failure := range map[string]http.HandlerFunc{
		"connection lost":      hangsUp,
		"answer broken off":    breaksOff,
		"buffer full":          says(http.StatusServiceUnavailable, `{"code":"buffer_full"}`),
		"rate limited":         says(http.StatusTooManyRequests, `{}`),
		"internal error":       says(http.StatusInternalServerError, `{"code":"internal_error"}`),
		"gateway lost upwards": says(http.StatusBadGateway, "<html>", "Content-Type: text/html"),
	} {
		t.Run(name, func(t *testing.T) {
			var bodies []string
			noting := func(handler http.HandlerFunc) http.HandlerFunc {
				return func(w http.ResponseWriter, r *http.Request) {
					raw, _ := io.ReadAll(r.Body)
					bodies = append(bodies, string(raw))
					handler(w, r)
				}
			}
			url := serve(t, noting(failure), noting(failure), noting(accepted))
			got, err := client.New(url, client.Config{}).Submit(t.Context(), order())
			if err != nil || got.ID != paymentID {
				t.Fatalf("got %+v, %v", got, err)
			}
			if len(bodies) != 3 || bodies[0] != bodies[2] || !strings.Contains(bodies[0], `"A-1"`) {
				t.Errorf("sent %q", bodies)
			}
		})
	}
}

func TestSubmit_successWithoutAPaymentIsNoAnswer(t *testing.T) {
	for name, body := range map[string]string{
		"a page":     "<html>welcome</html>",
		"no id":      `{}`,
		"foreign id": `{"id":"ch_123"}`,
		"endless":    `{"id":"` + strings.Repeat("x", 2<<20),
	} {
		t.Run(name, func(t *testing.T) {
			url := serve(t, says(http.StatusOK, body))
			_, err := client.New(url, client.Config{RetryTimeout: -1}).Submit(t.Context(), order())
			if !errors.Is(err, client.ErrNoAnswer) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestSubmit_anAttemptHasADeadline(t *testing.T) {
	release := make(chan struct{})
	url := serve(t,
		func(http.ResponseWriter, *http.Request) { <-release },
		says(http.StatusAccepted, paymentJSON(payment.Queued, false)))
	t.Cleanup(func() { close(release) })

	var reason error
	got, err := client.New(url, client.Config{
		AttemptTimeout: 50 * time.Millisecond,
		MayRetry:       func(retry client.Retry) bool { reason = retry.Err; return true },
	}).Submit(t.Context(), order())
	if err != nil || got.ID != paymentID {
		t.Fatalf("got %+v, %v", got, err)
	}
	if reason == nil || !strings.Contains(reason.Error(), "too long") {
		t.Errorf("repeated because of %v", reason)
	}
}

func TestSubmit_endsWithItsContext(t *testing.T) {
	url := serve(t, says(http.StatusServiceUnavailable, `{"code":"buffer_full"}`, "Retry-After: 60"))
	stop := errors.New("enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	_, err := client.New(url, client.Config{
		MayRetry: func(client.Retry) bool { cancel(stop); return true },
	}).Submit(ctx, order())
	if !errors.Is(err, stop) || !errors.Is(err, client.ErrNoAnswer) {
		t.Errorf("got %v", err)
	}
}

func TestSubmit_followsNoRedirectWithItsKey(t *testing.T) {
	elsewhere := serve(t, func(http.ResponseWriter, *http.Request) { t.Error("went elsewhere") })
	url := serve(t, says(http.StatusTemporaryRedirect, "", "Location: "+elsewhere))
	_, err := client.New(url, client.Config{Key: "pbk_1_s"}).Submit(t.Context(), order())
	problem, ok := errors.AsType[*client.Problem](err)
	if !ok || problem.Status != http.StatusTemporaryRedirect {
		t.Errorf("got %v", err)
	}
}

func TestCheckURL_namesWhatIsWrong(t *testing.T) {
	for baseURL, want := range map[string]string{
		"localhost:8080":      "http://",
		"ftp://host":          "http://",
		"http://":             "no host",
		"http://host/?a=b":    "end with the path",
		"http://ho st":        "base URL",
		"http://host/prefix/": "",
	} {
		err := client.CheckURL(baseURL)
		if (err == nil) != (want == "") || (err != nil && !strings.Contains(err.Error(), want)) {
			t.Errorf("%q: got %v, want %q", baseURL, err, want)
		}
		if want == "" {
			continue
		}
		if _, err := client.New(baseURL, client.Config{}).Get(t.Context(), paymentID); err == nil ||
			errors.Is(err, client.ErrNoAnswer) {
			t.Errorf("%q: a call said %v", baseURL, err)
		}
	}
}
