package client_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/paybuf/paybuf/payment"
)

// paymentID is a well-formed id for answers that the tests make up.
var paymentID = testID("A-1")

func testID(orderNumber string) payment.ID {
	key, err := payment.NewIDKey([]byte("0123456789abcdef0123456789abcdef"))
	if err != nil {
		panic(err)
	}
	return key.Derive("shop", orderNumber, "")
}

// paymentJSON is an answer of the API about paymentID.
func paymentJSON(state payment.State, duplicate bool) string {
	return fmt.Sprintf(`{"id":%q,"object":"payment","order_number":"A-1","amount":1999,"currency":"EUR",
		"state":%q,"final":%t,"version":3,"duplicate":%t,"failure":null,"status_url":"http://host/v1/payments/%s",
		"accepted_at":"2026-11-21T09:00:00.000Z","invented_later":[1]}`,
		paymentID, state, state.Final(), duplicate, paymentID)
}

// serve starts an API that answers with the handlers one after the other, and
// with the last for ever.
func serve(t *testing.T, handlers ...http.HandlerFunc) string {
	t.Helper()
	server := httptest.NewServer(inTurn(handlers))
	t.Cleanup(server.Close)
	return server.URL
}

func inTurn(handlers []http.HandlerFunc) http.HandlerFunc {
	turns := make(chan http.HandlerFunc, len(handlers))
	for _, handler := range handlers[:len(handlers)-1] {
		turns <- handler
	}
	return func(w http.ResponseWriter, r *http.Request) {
		select {
		case handler := <-turns:
			handler(w, r)
		default:
			handlers[len(handlers)-1](w, r)
		}
	}
}

// says answers with a status and a body, and "name: value" headers.
func says(status int, body string, headers ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		if status >= http.StatusBadRequest {
			w.Header().Set("Content-Type", "application/problem+json")
		}
		for _, header := range headers {
			name, value, _ := strings.Cut(header, ": ")
			w.Header().Set(name, value)
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

// hangsUp breaks the connection without an answer.
func hangsUp(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }

// breaksOff promises more of an answer than it sends.
func breaksOff(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Length", "1000")
	w.WriteHeader(http.StatusAccepted)
	_, _ = io.WriteString(w, `{"id":`)
	panic(http.ErrAbortHandler)
}

// transport lets a test answer without a network, so that it can run in a bubble
// whose clock is not the real one.
type transport func(*http.Request) *http.Response

func (f transport) RoundTrip(r *http.Request) (*http.Response, error) { return f(r), nil }

// recorded plays handlers as a transport and notes when each was called.
func recorded(calls *[]time.Time, handlers ...http.HandlerFunc) *http.Client {
	next := inTurn(handlers)
	return &http.Client{Transport: transport(func(r *http.Request) *http.Response {
		*calls = append(*calls, time.Now())
		recorder := httptest.NewRecorder()
		next(recorder, r)
		return recorder.Result()
	})}
}
