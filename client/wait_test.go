package client_test

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/paybuf/paybuf/client"
	"github.com/paybuf/paybuf/payment"
)

func TestGet_readsOutcomeAndFailure(t *testing.T) {
	var path string
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		path = r.Method + " " + r.URL.Path
		says(http.StatusOK, `{"id":"`+string(paymentID)+`","state":"failed","final":true,"attempts":2,
			"payer_reference":"ch_1","failure":{"code":"insufficient_funds","message":"no money"}}`)(w, r)
	})
	got, err := client.New(url, client.Config{}).Get(t.Context(), paymentID)
	if err != nil {
		t.Fatal(err)
	}
	want := client.Payment{
		ID: paymentID, State: payment.Failed, Final: true, Attempts: 2, PayerReference: "ch_1",
		Failure: client.Failure{Code: "insufficient_funds", Message: "no money"}, HTTPStatus: http.StatusOK,
	}
	if got != want {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	if want := "GET /v1/payments/" + string(paymentID); path != want {
		t.Errorf("asked %s, want %s", path, want)
	}
}

func TestGet_escapesAnIDThatIsNone(t *testing.T) {
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.RawPath != "/v1/payments/..%2Fevents%3Fafter=1" {
			t.Errorf("asked %s", r.URL)
		}
		says(http.StatusNotFound, `{"code":"not_found"}`)(w, r)
	})
	_, err := client.New(url, client.Config{}).Get(t.Context(), "../events?after=1")
	problem, ok := errors.AsType[*client.Problem](err)
	if !ok || problem.Code != payment.CodeNotFound {
		t.Errorf("got %v", err)
	}
}

func TestWait_pollsAsToldAndReadsOnlyWhatIsNew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var calls []time.Time
		var tags []string
		noting := func(handler http.HandlerFunc) http.HandlerFunc {
			return func(w http.ResponseWriter, r *http.Request) {
				tags = append(tags, r.Header.Get("If-None-Match"))
				handler(w, r)
			}
		}
		api := recorded(&calls,
			noting(says(http.StatusOK, paymentJSON(payment.Paying, false), `ETag: "v3"`, "Retry-After: 2")),
			noting(says(http.StatusNotModified, "", `ETag: "v3"`, "Retry-After: 5")),
			noting(says(http.StatusServiceUnavailable, `{}`, "Retry-After: 1")),
			noting(says(http.StatusOK, paymentJSON(payment.Succeeded, false), `ETag: "v4"`)))
		got, err := client.New("http://api", client.Config{HTTPClient: api}).Wait(t.Context(), paymentID)
		if err != nil || got.State != payment.Succeeded || !got.Final {
			t.Fatalf("got %+v, %v", got, err)
		}
		if first, second := calls[1].Sub(calls[0]), calls[2].Sub(calls[1]); first != 2*time.Second || second != 5*time.Second {
			t.Errorf("waited %s and %s", first, second)
		}
		if len(tags) != 4 || tags[0] != "" || tags[1] != `"v3"` || tags[3] != `"v3"` {
			t.Errorf("sent the tags %q", tags)
		}
	})
}

func TestWait_endsWithAParkedPayment(t *testing.T) {
	url := serve(t, says(http.StatusOK, paymentJSON(payment.Parked, false)))
	got, err := client.New(url, client.Config{}).Wait(t.Context(), paymentID)
	if err != nil || got.State != payment.Parked || got.Final {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestWait_givesTheLastStateWhenTheContextEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var calls []time.Time
		api := recorded(&calls, says(http.StatusOK, paymentJSON(payment.Unknown, false)))
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		got, err := client.New("http://api", client.Config{HTTPClient: api}).Wait(ctx, paymentID)
		if !errors.Is(err, context.DeadlineExceeded) || got.State != payment.Unknown {
			t.Errorf("got %+v, %v", got, err)
		}
		// The pause grows to 5 s at most, of which half is jitter.
		if len(calls) < 12 || len(calls) > 40 {
			t.Errorf("polled %d times in a minute", len(calls))
		}
	})
}
