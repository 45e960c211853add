package status

import (
	"context"
	"net/http"
	"slices"

	"github.com/paybuf/paybuf/internal/object"
	"github.com/paybuf/paybuf/internal/problem"
	"github.com/paybuf/paybuf/internal/query"
	"github.com/paybuf/paybuf/payment"
)

func (h *Handler) list(w http.ResponseWriter, r *http.Request) {
	tenant, err := h.auth.Authenticate(r)
	if err != nil {
		problem.Write(w, r, err)
		return
	}
	asked, err := listQueryOf(r.URL.RawQuery)
	if err != nil {
		problem.Write(w, r, err)
		return
	}
	list := h.listTenant
	if asked.OrderNumber != "" {
		list = h.listOrder
	}
	found, next, err := list(r.Context(), tenant, asked)
	if err != nil {
		problem.Write(w, r, err)
		return
	}
	setCaching(w.Header())
	write(w, object.ListOf(found, next, object.Base(h.cfg.PublicURL, r)))
}

// listTenant lists what is claimed, the newest first.
func (h *Handler) listTenant(
	ctx context.Context, tenant payment.TenantID, asked listQuery,
) (found []payment.Payment, next string, err error) {
	page, err := h.claimedPage(ctx, tenant, asked.ListFilter)
	if page.Next != (payment.ListPlace{}) {
		next = cursorAfter(page.Next)
	}
	return page.Payments, next, err
}

// listOrder lists the payments of one order, oldest first: its chain, of which the
// last may still wait.
func (h *Handler) listOrder(
	ctx context.Context, tenant payment.TenantID, asked listQuery,
) (found []payment.Payment, next string, err error) {
	if found, err = h.paymentsOf(ctx, tenant, asked.OrderNumber); err != nil {
		return nil, "", err
	}
	if asked.behind != "" {
		at := slices.IndexFunc(found, func(p payment.Payment) bool { return p.ID == asked.behind })
		if at < 0 {
			return nil, "", query.BadCursor()
		}
		found = found[at+1:]
	}
	if found, err = h.createdWithin(ctx, tenant, asked, found); err != nil {
		return nil, "", err
	}
	if asked.State != "" {
		found = slices.DeleteFunc(found, func(p payment.Payment) bool { return p.State != asked.State })
	}
	if len(found) > asked.Limit {
		found = found[:asked.Limit]
		next = cursorBehind(found[asked.Limit-1].ID)
	}
	return found, next, nil
}

// createdWithin keeps those of an order's payments that were claimed in the time
// asked for.
func (h *Handler) createdWithin(
	ctx context.Context, tenant payment.TenantID, asked listQuery, found []payment.Payment,
) ([]payment.Payment, error) {
	if asked.CreatedAfter.IsZero() && asked.CreatedBefore.IsZero() {
		return found, nil
	}
	page, err := h.claimedPage(ctx, tenant, payment.ListFilter{
		OrderNumber: asked.OrderNumber, CreatedAfter: asked.CreatedAfter, CreatedBefore: asked.CreatedBefore,
		Limit: query.LimitMax,
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
