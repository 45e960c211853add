package cancel

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/paybuf/paybuf/payment"
)

const (
	// linksMax is how many payments of one order may follow each other, those that wait
	// and those that were refused, and be seen to with one request.
	linksMax   = 100
	retryAfter = time.Second
)

var errSlow = errors.New("the cancellation was not through in time")

// enter waits for a place, within the time that a cancellation may take. Who gets one
// must leave.
func (h *Handler) enter(ctx context.Context) (bounded context.Context, leave func(), err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, h.cfg.Timeout, errSlow)
	leave = func() { <-h.places; cancel() }
	select {
	case h.places <- struct{}{}:
		if ctx.Err() == nil {
			return ctx, leave, nil
		}
		leave() // it came with the end of the time, and nobody is asked any more
	case <-ctx.Done():
		cancel()
	}
	return nil, nil, &payment.Error{
		Code:       payment.CodeUnavailable,
		Detail:     "too many cancellations are under way and nothing was canceled; send it again",
		RetryAfter: retryAfter,
		Cause:      context.Cause(ctx),
	}
}

// cancelPayment cancels one payment. The buffer is asked first: what moves on from
// there meanwhile is in the ledger by the time that this is asked.
func (h *Handler) cancelPayment(
	ctx context.Context, tenant payment.TenantID, id payment.ID,
) (payment.Payment, error) {
	ctx, leave, err := h.enter(ctx)
	if err != nil {
		return payment.Payment{}, err
	}
	defer leave()
	waiting, err := h.peek(ctx, tenant, id)
	if err != nil {
		return payment.Payment{}, notKnown(ctx, err)
	}
	return h.decide(ctx, payment.Cancellation{Tenant: tenant, ID: id, Waiting: waiting})
}

// cancelOrder cancels the payment of an order that may still be charged, also before
// its first has come. The ledger knows which one that is; those that wait behind it
// follow, be it behind others that were refused.
func (h *Handler) cancelOrder(
	ctx context.Context, tenant payment.TenantID, orderNumber string,
) (payment.Payment, error) {
	ctx, leave, err := h.enter(ctx)
	if err != nil {
		return payment.Payment{}, err
	}
	defer leave()
	first := h.key.Derive(tenant, orderNumber, "")
	waiting, err := h.peek(ctx, tenant, first)
	if err != nil {
		return payment.Payment{}, notKnown(ctx, err)
	}
	last, err := h.decide(ctx, payment.Cancellation{
		Tenant: tenant, OrderNumber: orderNumber, First: first, Waiting: waiting,
	})
	answer, refusal := last, err
	for range linksMax {
		over, isOver, readErr := h.overOf(ctx, tenant, last, err)
		switch {
		case readErr != nil:
			return payment.Payment{}, notKnown(ctx, readErr)
		case !isOver:
			return last, err
		case err == nil || refusal != nil: // what has failed behind a canceled one changes nothing
			answer, refusal = last, err
		}
		next := h.key.Derive(tenant, orderNumber, over)
		behind, peekErr := h.peek(ctx, tenant, next)
		if peekErr != nil {
			return payment.Payment{}, notKnown(ctx, peekErr)
		}
		last, err = h.decide(ctx, payment.Cancellation{Tenant: tenant, ID: next, Waiting: behind})
		if code, _ := payment.CodeOf(err); err != nil && code == payment.CodeNotFound {
			return answer, refusal
		}
	}
	return payment.Payment{}, notKnown(ctx, fmt.Errorf("more than %d payments of one order follow each other", linksMax))
}

// overOf gives the payment that is certainly not charged after the ledger's answer:
// the one that it canceled, or that it did not cancel since it had failed. Only
// behind such a one it matters what waits.
func (h *Handler) overOf(
	ctx context.Context, tenant payment.TenantID, canceled payment.Payment, refusal error,
) (id payment.ID, over bool, err error) {
	if refusal == nil {
		return canceled.ID, true, nil
	}
	id, named := paymentOf(refusal)
	if !named {
		return "", false, nil
	}
	found, err := h.ledger.Payment(ctx, tenant, id)
	return id, found.State == payment.Failed, err
}

// peek finds the tenant's request that waits in the buffer, nil if none does.
func (h *Handler) peek(ctx context.Context, tenant payment.TenantID, id payment.ID) (*payment.Request, error) {
	request, found, err := h.backlog.Peek(ctx, id)
	if err != nil || !found || request.Tenant != tenant {
		return nil, err
	}
	return &request, nil
}

// decide has the ledger judge. Its refusals are the client's to know, anything else
// means that nobody knows.
func (h *Handler) decide(ctx context.Context, c payment.Cancellation) (payment.Payment, error) {
	canceled, err := h.ledger.Cancel(ctx, c)
	if err == nil {
		return canceled, nil
	}
	switch code, _ := payment.CodeOf(err); code { //nolint:exhaustive // the rest is one
	case payment.CodeNotFound:
		return payment.Payment{}, &payment.Error{Code: payment.CodeNotFound, Detail: "there is no such payment"}
	case payment.CodeNotCancelable:
		return payment.Payment{}, err
	}
	return payment.Payment{}, notKnown(ctx, err)
}

// paymentOf gives the payment that a refusal names.
func paymentOf(err error) (payment.ID, bool) {
	coded, ok := errors.AsType[*payment.Error](err)
	if !ok || coded.Code != payment.CodeNotCancelable || coded.PaymentID == "" {
		return "", false
	}
	return coded.PaymentID, true
}

// notKnown is the answer when something did not answer, whatever it was.
func notKnown(ctx context.Context, err error) error {
	answer := &payment.Error{
		Code:       payment.CodeUnavailable,
		Detail:     "it is not known at the moment whether the payment is canceled; send the request again, which is safe",
		RetryAfter: retryAfter,
		Cause:      err,
	}
	if ctx.Err() != nil {
		answer.Cause = errors.Join(context.Cause(ctx), err)
	}
	return answer
}
