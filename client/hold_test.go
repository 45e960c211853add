package client_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/paybuf/paybuf/client"
	"github.com/paybuf/paybuf/payment"
)

// holds answers as the API does when it was asked to wait: after some time.
func holds(after time.Duration, handler http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-time.After(after):
		case <-r.Context().Done():
			panic("nobody waits for the answer any more")
		}
		w.Header().Set("Preference-Applied", "wait")
		handler(w, r)
	}
}

// noting keeps a header of each request.
func noting(values *[]string, name string, handler http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		*values = append(*values, r.Header.Get(name))
		handler(w, r)
	}
}

var (
	paying    = says(http.StatusOK, paymentJSON(payment.Paying, false), `ETag: "v3"`, "Retry-After: 1")
	unchanged = says(http.StatusNotModified, "", `ETag: "v3"`, "Retry-After: 1")
	succeeded = says(http.StatusOK, paymentJSON(payment.Succeeded, false), `ETag: "v4"`)
)

func TestWait_asksAgainAtOnceIfTheAPIHasWaited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var calls []time.Time
		var asked []string
		api := recorded(&calls,
			noting(&asked, "Prefer", holds(0, paying)),
			noting(&asked, "Prefer", holds(50*time.Second, unchanged)),
			noting(&asked, "Prefer", holds(3*time.Second, succeeded)))
		began := time.Now()
		got, err := client.New("http://api", client.Config{HTTPClient: api}).Wait(t.Context(), paymentID)
		if err != nil || got.State != payment.Succeeded {
			t.Fatalf("got %+v, %v", got, err)
		}
		if took := time.Since(began); took != 53*time.Second {
			t.Errorf("took %s, while the API took 53s", took)
		}
		if !slices.Equal(asked, []string{"wait=50", "wait=50", "wait=50"}) {
			t.Errorf("asked for %q", asked)
		}
	})
}

func TestWait_restsIfTheAPIDoesNotWaitForNews(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var calls []time.Time
		api := recorded(&calls, holds(0, paying), holds(0, unchanged), holds(0, succeeded))
		if _, err := client.New("http://api", client.Config{HTTPClient: api}).Wait(t.Context(), paymentID); err != nil {
			t.Fatal(err)
		}
		if at, rested := calls[1].Sub(calls[0]), calls[2].Sub(calls[1]); at != 0 || rested != time.Second {
			t.Errorf("asked again after %s and %s", at, rested)
		}
	})
}

func TestWait_asksForNoLongerThanItCanListen(t *testing.T) {
	for name, test := range map[string]struct {
		deadline, timeout time.Duration
		want              string
	}{
		"a deadline":               {10 * time.Second, 0, "wait=9"},
		"no time left":             {time.Second, 0, ""},
		"a client with a time-out": {0, 30 * time.Second, "wait=15"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var calls []time.Time
				var asked []string
				api := recorded(&calls, noting(&asked, "Prefer", succeeded))
				api.Timeout = test.timeout
				ctx := t.Context()
				if test.deadline > 0 {
					var cancel context.CancelFunc
					ctx, cancel = context.WithTimeout(ctx, test.deadline)
					defer cancel()
				}
				if _, err := client.New("http://api", client.Config{HTTPClient: api}).Wait(ctx, paymentID); err != nil {
					t.Fatal(err)
				}
				if asked[0] != test.want {
					t.Errorf("asked for %q, want %q", asked[0], test.want)
				}
			})
		})
	}
}

// A proxy that ends what takes it too long must not end the waiting.
func TestWait_asksForLessWhereLongAnswersGetLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var calls []time.Time
		end := time.Now().Add(10 * time.Minute)
		impatient := func(w http.ResponseWriter, r *http.Request) {
			hold, err := time.ParseDuration(strings.TrimPrefix(r.Header.Get("Prefer"), "wait=") + "s")
			switch {
			case err != nil:
				t.Errorf("asked for %q", r.Header.Get("Prefer"))
			case hold > 30*time.Second:
				holds(30*time.Second, says(http.StatusGatewayTimeout, `{}`))(w, r)
			case time.Now().After(end):
				holds(0, succeeded)(w, r)
			default:
				holds(hold, unchanged)(w, r)
			}
		}
		api := recorded(&calls, holds(0, paying), impatient)
		got, err := client.New("http://api", client.Config{HTTPClient: api}).Wait(t.Context(), paymentID)
		if err != nil || got.State != payment.Succeeded {
			t.Errorf("got %+v, %v", got, err)
		}
	})
}

func TestWait_whatWasHeldBackIsNotHeldAgainstTheAPI(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var calls []time.Time
		api := recorded(&calls, holds(0, paying), holds(40*time.Second, says(http.StatusBadGateway, ``)), succeeded)
		got, err := client.New("http://api", client.Config{HTTPClient: api, RetryTimeout: 5 * time.Second}).Wait(t.Context(), paymentID)
		if err != nil || got.State != payment.Succeeded {
			t.Errorf("got %+v, %v", got, err)
		}
	})
}

func TestSubmitAndWait_isOneRequestIfThePaymentEndsMeanwhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var calls []time.Time
		var asked []string
		api := recorded(&calls, noting(&asked, "Prefer",
			holds(20*time.Second, says(http.StatusOK, paymentJSON(payment.Succeeded, false)))))
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		got, err := client.New("http://api", client.Config{HTTPClient: api, AttemptTimeout: time.Second}).SubmitAndWait(ctx, order())
		if err != nil || got.State != payment.Succeeded || len(calls) != 1 || asked[0] != "wait=50" {
			t.Errorf("%d calls, asked for %q, got %+v, %v", len(calls), asked, got, err)
		}
	})
}

func TestSubmitAndWait_waitsOnForWhatIsSlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var calls []time.Time
		var posts int
		counting := func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodPost {
				posts++
			}
			says(http.StatusAccepted, paymentJSON(payment.Queued, true))(w, r)
		}
		api := recorded(&calls, says(http.StatusServiceUnavailable, `{}`, "Retry-After: 1"), counting,
			holds(time.Second, paying), holds(time.Second, says(http.StatusOK, paymentJSON(payment.Failed, false))))
		got, err := client.New("http://api", client.Config{HTTPClient: api}).SubmitAndWait(t.Context(), order())
		if err != nil || got.State != payment.Failed || !got.Duplicate || posts != 1 || len(calls) != 4 {
			t.Errorf("%d calls, %d posts, got %+v, %v", len(calls), posts, got, err)
		}
	})
}

func TestSubmitAndWait_tellsWhatWasSeenWhenTheTimeIsUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var calls []time.Time
		api := recorded(&calls, accepted, paying, unchanged)
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		got, err := client.New("http://api", client.Config{HTTPClient: api}).SubmitAndWait(ctx, order())
		if !errors.Is(err, context.DeadlineExceeded) || got.ID != paymentID || got.State != payment.Paying {
			t.Errorf("got %+v, %v", got, err)
		}
	})
}

func TestSubmitAndWait_aRefusalIsSubmits(t *testing.T) {
	url := serve(t, says(http.StatusConflict, `{"code":"order_conflict"}`))
	got, err := client.New(url, client.Config{}).SubmitAndWait(t.Context(), order())
	problem, ok := errors.AsType[*client.Problem](err)
	if !ok || problem.Code != payment.CodeOrderConflict || got != (client.Payment{}) {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestSubmit_asksForNoWaiting(t *testing.T) {
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if prefer := r.Header.Get("Prefer"); prefer != "" {
			t.Errorf("asked for %q", prefer)
		}
		_, _ = io.Copy(io.Discard, r.Body)
		accepted(w, r)
	})
	if _, err := client.New(url, client.Config{}).Submit(t.Context(), order()); err != nil {
		t.Fatal(err)
	}
}
