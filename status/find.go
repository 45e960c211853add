package status

import (
	"context"
	"errors"
	"slices"

	"github.com/paybuf/paybuf/payment"
)

var errReadSlow = errors.New("the payment was not found in time")

// payment finds one payment of a tenant.
func (h *Handler) payment(ctx context.Context, tenant payment.TenantID, id payment.ID) (payment.Payment, error) {
	found, err := h.find(ctx, tenant, id, func(ctx context.Context) ([]payment.Payment, error) {
		claimed, err := h.reader.Payment(ctx, tenant, id)
		return []payment.Payment{claimed}, err
	})
	if err != nil {
		return payment.Payment{}, err
	}
	if len(found) == 0 {
		return payment.Payment{}, &payment.Error{Code: payment.CodeNotFound, Detail: "there is no such payment"}
	}
	return found[0], nil
}

// paymentsOf finds the payments of an order number, oldest first. Behind the last
// that is claimed the next may wait already, to try it again.
func (h *Handler) paymentsOf(
	ctx context.Context, tenant payment.TenantID, orderNumber string,
) ([]payment.Payment, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, h.cfg.ReadTimeout, errReadSlow)
	defer cancel()
	claimed := func(ctx context.Context) ([]payment.Payment, error) {
		return h.reader.PaymentsByOrder(ctx, tenant, orderNumber)
	}
	found, err := h.find(ctx, tenant, h.key.Derive(tenant, orderNumber, ""), claimed)
	if err != nil || !mayBeTriedAgain(found) {
		return found, err
	}
	next := h.key.Derive(tenant, orderNumber, found[len(found)-1].ID)
	request, waiting, err := h.backlog.Peek(ctx, next)
	switch {
	case err != nil:
		return nil, notKnown(ctx, err)
	case !waiting || request.Tenant != tenant:
		return found, nil
	}
	if found, err = read(ctx, claimed); err != nil { // it may have been claimed meanwhile
		return nil, err
	}
	if !slices.ContainsFunc(found, func(p payment.Payment) bool { return p.ID == next }) {
		found = append(found, payment.Queue(request))
	}
	return found, nil
}

// mayBeTriedAgain tells whether the last of an order's payments may have a successor.
func mayBeTriedAgain(found []payment.Payment) bool {
	if len(found) == 0 {
		return false
	}
	last := found[len(found)-1].State
	return last == payment.Failed || last == payment.Canceled
}

// find asks for what is claimed, then for what waits in the buffer, then for what
// is claimed once more. A payment moves from the one to the other in between, so
// fewer look-ups would miss it, or would call it queued after it was claimed: a
// request stays in the buffer for a while after its claim. For the same reason
// nothing is concluded from a look-up that failed.
func (h *Handler) find(
	ctx context.Context, tenant payment.TenantID, id payment.ID,
	claimed func(context.Context) ([]payment.Payment, error),
) ([]payment.Payment, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, h.cfg.ReadTimeout, errReadSlow)
	defer cancel()
	if found, err := read(ctx, claimed); err != nil || len(found) > 0 {
		return found, err
	}
	request, waiting, err := h.backlog.Peek(ctx, id)
	if err != nil {
		return nil, notKnown(ctx, err)
	}
	if found, err := read(ctx, claimed); err != nil || len(found) > 0 {
		return found, err
	}
	if waiting && request.Tenant == tenant {
		return []payment.Payment{payment.Queue(request)}, nil
	}
	return nil, nil
}

// read gives the claimed payments; there being none is no error.
func read(ctx context.Context, claimed func(context.Context) ([]payment.Payment, error)) ([]payment.Payment, error) {
	found, err := claimed(ctx)
	if err == nil {
		return found, nil
	}
	if code, _ := payment.CodeOf(err); code == payment.CodeNotFound {
		return nil, nil
	}
	return nil, notKnown(ctx, err)
}

// notKnown is the answer when a look-up failed, whatever the reason: a question
// can be asked again, and a payment is there all the same.
func notKnown(ctx context.Context, err error) error {
	answer := &payment.Error{
		Code:       payment.CodeUnavailable,
		Detail:     "it is not known at the moment how far the payment has come; ask again",
		RetryAfter: pollAfter,
		Cause:      err,
	}
	if coded, ok := errors.AsType[*payment.Error](err); ok {
		answer.RetryAfter = max(answer.RetryAfter, coded.RetryAfter)
	}
	if ctx.Err() != nil {
		answer.Cause = errors.Join(context.Cause(ctx), err)
	}
	return answer
}
