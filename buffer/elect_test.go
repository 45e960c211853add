package buffer

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"testing/synctest"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/paybuf/paybuf/payment"
)

var errElecting = &jetstream.APIError{Code: 503, ErrorCode: codeNotAvailable, Description: "JetStream system temporarily unavailable"}

func TestPatiently_waitsForALeaderAndForNothingElse(t *testing.T) {
	misfit := errors.New("insufficient storage")
	for name, test := range map[string]struct {
		errs  []error // of the first tries; the next succeeds
		tries int
		want  error
	}{
		"at once":           {nil, 1, nil},
		"after an election": {[]error{errElecting, nats.ErrNoResponders, jetstream.ErrNoStreamResponse, context.DeadlineExceeded}, 5, nil},
		"what stays wrong":  {[]error{errElecting, misfit}, 2, misfit},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				tries := 0
				err := patiently(t.Context(), slog.New(slog.DiscardHandler), func(context.Context) error {
					tries++
					if tries <= len(test.errs) {
						return test.errs[tries-1]
					}
					return nil
				})
				if !errors.Is(err, test.want) || tries != test.tries {
					t.Errorf("%v after %d tries, want %v after %d", err, tries, test.want, test.tries)
				}
			})
		})
	}
}

func TestPatiently_doesNotWaitForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		err := patiently(t.Context(), slog.New(slog.DiscardHandler), func(context.Context) error { return errElecting })
		if code, _ := payment.CodeOf(err); code != payment.CodeBufferUnavailable || !errors.Is(err, errElecting) {
			t.Errorf("the error is %v, want %s and its cause", err, payment.CodeBufferUnavailable)
		}
	})
}
