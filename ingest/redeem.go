package ingest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/paybuf/paybuf/payment"
)

const expiredDetail = "the payment token has expired, and nothing is known that was submitted with it"

var errKnownSlow = errors.New("whether a payment is known was not found out in time")

// Backlog knows the requests that wait for their claim. An error means that
// nothing is known.
type Backlog interface {
	Peek(ctx context.Context, id payment.ID) (payment.Request, bool, error)
}

// redeem puts the order number of a payment token in the place of the one that the
// client does not choose, and holds the amount against it.
func (d *document) redeem(key payment.IDKey, tenant payment.TenantID, at time.Time) {
	pointer := pointers[memberPaymentToken]
	switch {
	case !d.given[memberPaymentToken]:
		if strings.HasPrefix(d.draft.OrderNumber, payment.TokenOrderPrefix) {
			d.refuse(pointers[memberOrderNumber], "begins with "+payment.TokenOrderPrefix+", which is reserved for payment tokens")
		}
		return
	case d.isRefused(pointer):
		return // no text at all
	}
	token, err := key.ReadToken(tenant, d.token)
	if err != nil && payment.ContainsCardNumber(d.token) {
		d.foundCard(pointer, cardDetail)
	}
	switch {
	case d.given[memberOrderNumber]:
		d.refuse(pointer, "must not be given beside order_number, which it stands for")
		return
	case err != nil:
		d.refuseToken(pointer, "is not a payment token of yours")
		return
	}
	if d.given[memberAmount] && !d.isRefused("/amount") && d.draft.AmountMinor != token.Money.Minor() {
		d.refuseToken("/amount", "is not that of the payment token")
	}
	if d.given[memberCurrency] && !d.isRefused("/currency") && d.draft.Currency != token.Money.Currency() {
		d.refuseToken("/currency", "is not that of the payment token")
	}
	d.draft.OrderNumber = token.OrderNumber()
	d.late = !at.Before(token.ExpiresAt)
}

func (d *document) refuseToken(pointer, detail string) {
	d.noToken = true
	d.refuse(pointer, detail)
}

// checkLate lets a request whose token has expired repeat what was submitted in
// time, and nothing else.
func (c Config) checkLate(ctx context.Context, request payment.Request) error {
	ctx, cancel := context.WithTimeoutCause(ctx, c.OutcomeTimeout, errKnownSlow)
	defer cancel()
	known, err := c.isKnown(ctx, request)
	switch {
	case err != nil:
		return &payment.Error{
			Code:       payment.CodeUnavailable,
			Detail:     "the payment token has expired, and whether it was used in time is not known at the moment; send the request again",
			RetryAfter: pollAfter,
			Cause:      fmt.Errorf("look for the payment of an expired token: %w", errors.Join(err, context.Cause(ctx))),
		}
	case !known:
		return &payment.Error{Code: payment.CodeTokenExpired, Detail: expiredDetail}
	}
	return nil
}

// isKnown asks for the request first where it waits: it moves on from there.
func (c Config) isKnown(ctx context.Context, request payment.Request) (bool, error) {
	if c.Backlog != nil {
		waiting, found, err := c.Backlog.Peek(ctx, request.ID)
		if err != nil || (found && waiting.Tenant == request.Tenant) {
			return found, err
		}
	}
	if c.Outcomes == nil {
		return false, nil
	}
	_, err := c.Outcomes.Payment(ctx, request.Tenant, request.ID)
	if code, _ := payment.CodeOf(err); err != nil && code == payment.CodeNotFound {
		return false, nil
	}
	return err == nil, err
}
