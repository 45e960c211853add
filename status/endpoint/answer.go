package endpoint

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/paybuf/paybuf/internal/object"
	"github.com/paybuf/paybuf/internal/problem"
	"github.com/paybuf/paybuf/payment"
)

const retryAfter = time.Second

var errSlow = errors.New("the request was not through in time")

// reply is what a request is answered with.
type reply struct {
	status   int
	shown    any    // nil for no body
	location string // "" for none
}

// answer does what a request of a tenant asks for, within its time, and shows what
// came of it.
func (h *Handler) answer(
	w http.ResponseWriter, r *http.Request, do func(ctx context.Context, tenant payment.TenantID) (reply, error),
) {
	tenant, err := h.auth.Authenticate(r)
	if err != nil {
		problem.Write(w, r, err)
		return
	}
	done, err := do(r.Context(), tenant)
	if err != nil {
		problem.Write(w, r, err)
		return
	}
	header := w.Header()
	header.Set("Cache-Control", "no-store") // secrets, and what changes by the second
	if done.location != "" {
		header.Set("Location", done.location)
	}
	if done.shown == nil {
		w.WriteHeader(done.status)
		return
	}
	if err := object.Write(w, done.status, done.shown); err != nil {
		problem.Observe(w, err)
	}
}

// bounded gives a request's look-ups and writes their time.
func (h *Handler) bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(ctx, h.cfg.Timeout, errSlow)
}

// refusals are answers. Any other error means that nobody knows.
func isRefusal(err error) bool {
	switch code, _ := payment.CodeOf(err); code { //nolint:exhaustive // the rest is one
	case payment.CodeNotFound, payment.CodeEndpointDisabled, payment.CodeTooManyEndpoints:
		return true
	}
	return false
}

// notKnown is the answer when something did not answer, whatever it was. nil stays
// nil, and a refusal what it is.
func notKnown(ctx context.Context, err error, detail string) error {
	if err == nil || isRefusal(err) {
		return err
	}
	answer := &payment.Error{Code: payment.CodeUnavailable, Detail: detail, RetryAfter: retryAfter, Cause: err}
	if ctx.Err() != nil {
		answer.Cause = errors.Join(context.Cause(ctx), err)
	}
	return answer
}

const (
	notRead    = "it cannot be read at the moment; ask again"
	notWritten = "it is not known at the moment whether this was done; look, and send it again if it was not"
)
