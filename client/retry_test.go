package client_test

import (
	"errors"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/paybuf/paybuf/client"
	"github.com/paybuf/paybuf/payment"
)

var accepted = says(http.StatusAccepted, paymentJSON(payment.Queued, false))

func TestRetry_waitsAsLongAsTold(t *testing.T) {
	for name, headers := range map[string][]string{
		"seconds":                     {"Retry-After: 7"},
		"a date by the server's own":  {"Date: Sat, 21 Nov 2026 09:00:00 GMT", "Retry-After: Sat, 21 Nov 2026 09:00:07 GMT"},
		"a date by our clock":         {"Retry-After: Sat, 01 Jan 2000 00:00:07 GMT"}, // where a bubble's clock begins
		"an old form of date, spaces": {"Date: Sat, 21 Nov 2026 09:00:00 GMT", "Retry-After:  Saturday, 21-Nov-26 09:00:07 GMT "},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var calls []time.Time
				api := recorded(&calls, says(http.StatusServiceUnavailable, `{}`, headers...), accepted)
				if _, err := client.New("http://api", client.Config{HTTPClient: api}).Submit(t.Context(), order()); err != nil {
					t.Fatal(err)
				}
				if waited := calls[1].Sub(calls[0]); waited < 7*time.Second || waited > 7*time.Second+100*time.Millisecond {
					t.Errorf("waited %s", waited)
				}
			})
		})
	}
}

func TestRetry_backsOffByItselfIfNothingIsTold(t *testing.T) {
	for _, header := range []string{"X: y", "Retry-After: soon", "Retry-After: -5", "Retry-After: Sat, 21 Nov 1998 09:00:00 GMT"} {
		synctest.Test(t, func(t *testing.T) {
			var calls []time.Time
			api := recorded(&calls, says(http.StatusServiceUnavailable, `{}`, header))
			_, err := client.New("http://api", client.Config{HTTPClient: api}).Submit(t.Context(), order())
			if !errors.Is(err, client.ErrNoAnswer) {
				t.Fatalf("got %v", err)
			}
			for i := range calls[1:] {
				ceiling := min(10*time.Second, 100*time.Millisecond<<min(i, 10))
				if waited := calls[i+1].Sub(calls[i]); waited >= ceiling {
					t.Errorf("%s: waited %s before repetition %d, at most %s", header, waited, i+1, ceiling)
				}
			}
			// 2 minutes of at most 10 s each, with some short ones in front.
			if len(calls) < 15 || len(calls) > 60 {
				t.Errorf("%s: %d attempts", header, len(calls))
			}
		})
	}
}

func TestRetry_doesNotWaitForWhatIsBeyondItsTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var calls []time.Time
		api := recorded(&calls, says(http.StatusTooManyRequests, `{"code":"busy"}`, "Retry-After: 3600"))
		_, err := client.New("http://api", client.Config{HTTPClient: api, RetryTimeout: time.Minute}).
			Submit(t.Context(), order())
		problem, ok := errors.AsType[*client.Problem](err)
		if !ok || problem.RetryAfter != time.Hour || !errors.Is(err, client.ErrNoAnswer) {
			t.Errorf("got %v", err)
		}
		if len(calls) != 1 || time.Since(calls[0]) != 0 {
			t.Errorf("%d attempts in %s", len(calls), time.Since(calls[0]))
		}
	})
}

func TestRetry_isUpToTheCallerIfItWants(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var calls []time.Time
		var told []client.Retry
		began := time.Now()
		api := recorded(&calls, says(http.StatusServiceUnavailable, `{"code":"buffer_full"}`, "Retry-After: 1000"))
		_, err := client.New("http://api", client.Config{
			HTTPClient: api,
			MayRetry:   func(retry client.Retry) bool { told = append(told, retry); return len(told) < 3 },
		}).Submit(t.Context(), order())
		if !errors.Is(err, client.ErrNoAnswer) || len(calls) != 3 || len(told) != 3 {
			t.Fatalf("%d attempts, told %d times: %v", len(calls), len(told), err)
		}
		last := told[2]
		if last.Attempts != 3 || last.Spent != calls[2].Sub(began) || last.Wait < 1000*time.Second {
			t.Errorf("told %+v", last)
		}
		if problem, ok := errors.AsType[*client.Problem](last.Err); !ok || problem.Code != payment.CodeBufferFull {
			t.Errorf("told of %v", last.Err)
		}
	})
}
