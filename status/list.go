package status

import (
	"context"
	"net/http"
	"slices"

	"github.com/paybuf/paybuf/internal/object"
	"github.com/paybuf/paybuf/internal/problem"
	"github.com/paybuf/paybuf/payment"
)

func (h *Handler) list(w http.ResponseWriter, r *http.Request) {
	tenant, err := h.auth.Authenticate(r)
	if err != nil {
		problem.Write(w, r, err)
		return
	}
	query, err := listQueryOf(r.URL.RawQuery)
	if err != nil {
		problem.Write(w, r, err)
		return
	}
	list := h.listTenant
	if query.OrderNumber != "" {
		list = h.listOrder
	}
	found, next, err := list(r.Context(), tenant, query)
	if err != nil {
		problem.Write(w, r, err)
		return
	}
	setCaching(w.Header())
	write(w, object.ListOf(found, next, object.Base(h.cfg.PublicURL, r)))
}

// listTenant lists what is claimed, the newest first.
func (h *Handler) listTenant(
	ctx context.Context, tenant payment.TenantID, query listQuery,
) (found []payment.Payment, next string, err error) {
	page, err := h.claimedPage(ctx, tenant, query.ListFilter)
	if page.Next != (payment.ListPlace{}) {
		next = cursorAfter(page.Next)
	}
	return page.Payments, next, err
}

// listOrder lists the payments of one order, oldest first: its chain, of which the
// last may still wait.
func (h *Handler) listOrder(
	ctx context.Context, tenant payment.TenantID, query listQuery,
) (found []payment.Payment, next string, err error) {
	if found, err = h.paymentsOf(ctx, tenant, query.OrderNumber); err != nil {
		return nil, "", err
	}
	if query.behind != "" {
		at := slices.IndexFunc(found, func(p payment.Payment) bool { return p.ID == query.behind })
		if at < 0 {
			return nil, "", invalidCursor()
		}
		found = found[at+1:]
	}
	if found, err = h.createdWithin(ctx, tenant, query, found); err != nil {
		return nil, "", err
	}
	if query.State != "" {
		found = slices.DeleteFunc(found, func(p payment.Payment) bool { return p.State != query.State })
	}
	if len(found) > query.Limit {
		found = found[:query.Limit]
		next = cursorBehind(found[query.Limit-1].ID)
	}
	return found, next, nil
}

// createdWithin keeps those of an order's payments that were claimed in the time
// asked for.
func (h *Handler) createdWithin(
	ctx context.Context, tenant payment.TenantID, query listQuery, found []payment.Payment,
) ([]payment.Payment, error) {
	if query.CreatedAfter.IsZero() && query.CreatedBefore.IsZero() {
		return found, nil
	}
	page, err := h.claimedPage(ctx, tenant, payment.ListFilter{
		OrderNumber: query.OrderNumber, CreatedAfter: query.CreatedAfter, CreatedBefore: query.CreatedBefore,
		Limit: pageLimitMax,
	})
	within := map[payment.ID]bool{}
	for _, p := range page.Payments {
		within[p.ID] = true
	}
	return slices.DeleteFunc(found, func(p payment.Payment) bool { return !within[p.ID] }), err
}

func (h *Handler) claimedPage(
	ctx context.Context, tenant payment.TenantID, filter payment.ListFilter,
) (payment.ListPage, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, h.cfg.ReadTimeout, errReadSlow)
	defer cancel()
	page, err := h.reader.ListPayments(ctx, tenant, filter)
	if err != nil {
		return payment.ListPage{}, notKnown(ctx, err)
	}
	return page, nil
}
