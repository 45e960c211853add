package endpoint

import (
	"context"
	"net/http"
	"time"

	"github.com/go-chi/chi/v5"

	"github.com/paybuf/paybuf/internal/body"
	"github.com/paybuf/paybuf/internal/object"
	"github.com/paybuf/paybuf/internal/query"
	"github.com/paybuf/paybuf/payment"
)

// idOf reads the endpoint's id in a path. A text that is no id becomes one that no
// endpoint has, so that a wrong id, a foreign one and an unknown one take the same
// way to the same answer.
func idOf(r *http.Request) payment.EndpointID {
	id, err := payment.ParseEndpointID(chi.URLParam(r, "id"))
	if err != nil {
		return ""
	}
	return id
}

func (h *Handler) create(w http.ResponseWriter, r *http.Request) {
	h.answer(w, r, func(ctx context.Context, tenant payment.TenantID) (reply, error) {
		form, err := h.readForm(w, r, "a webhook endpoint", urlMember, descriptionMember, eventTypesMember, secretMember)
		if err != nil {
			return reply{}, err
		}
		form.Require(urlMember)
		change, secret := h.readChange(form), readSecret(form)
		if err := form.Err(); err != nil {
			return reply{}, err
		}
		e := newEndpoint(tenant, change)
		if e.Secret, err = h.seal(secret, e.ID); err != nil {
			return reply{}, err
		}
		ctx, cancel := h.bounded(ctx)
		defer cancel()
		created, err := h.registry.CreateEndpoint(ctx, e)
		if err != nil {
			return reply{}, notKnown(ctx, err, notWritten)
		}
		shown := object.EndpointOf(created, time.Now())
		shown.Secret = secret.text()
		return reply{http.StatusCreated, shown, object.EndpointPath(created.ID)}, nil
	})
}

// newEndpoint makes the endpoint that a change from nothing describes.
func newEndpoint(tenant payment.TenantID, change payment.EndpointChange) payment.Endpoint {
	e := payment.Endpoint{ID: payment.NewEndpointID(), Tenant: tenant}
	if change.URL != nil {
		e.URL = *change.URL
	}
	if change.Description != nil {
		e.Description = *change.Description
	}
	if change.EventTypes != nil {
		e.EventTypes = *change.EventTypes
	}
	return e
}

func (h *Handler) list(w http.ResponseWriter, r *http.Request) {
	h.answer(w, r, func(ctx context.Context, tenant payment.TenantID) (reply, error) {
		if err := query.None(r.URL.RawQuery); err != nil {
			return reply{}, err
		}
		ctx, cancel := h.bounded(ctx)
		defer cancel()
		found, err := h.reader.Endpoints(ctx, tenant)
		return reply{status: http.StatusOK, shown: object.EndpointListOf(found, time.Now())}, notKnown(ctx, err, notRead)
	})
}

func (h *Handler) get(w http.ResponseWriter, r *http.Request) {
	h.answer(w, r, func(ctx context.Context, tenant payment.TenantID) (reply, error) {
		if err := query.None(r.URL.RawQuery); err != nil {
			return reply{}, err
		}
		ctx, cancel := h.bounded(ctx)
		defer cancel()
		found, err := h.reader.Endpoint(ctx, tenant, idOf(r))
		return reply{status: http.StatusOK, shown: object.EndpointOf(found, time.Now())}, notKnown(ctx, err, notRead)
	})
}

func (h *Handler) change(w http.ResponseWriter, r *http.Request) {
	h.answer(w, r, func(ctx context.Context, tenant payment.TenantID) (reply, error) {
		form, err := h.readForm(w, r, "a change of a webhook endpoint", urlMember, descriptionMember, eventTypesMember, statusMember)
		if err != nil {
			return reply{}, err
		}
		change := h.readChange(form)
		if form.Err() == nil && change == (payment.EndpointChange{}) {
			form.Refuse("", "must have at least one of url, description, event_types and status")
		}
		if err := form.Err(); err != nil {
			return reply{}, err
		}
		ctx, cancel := h.bounded(ctx)
		defer cancel()
		changed, err := h.registry.UpdateEndpoint(ctx, tenant, idOf(r), change)
		return reply{status: http.StatusOK, shown: object.EndpointOf(changed, time.Now())}, notKnown(ctx, err, notWritten)
	})
}

func (h *Handler) remove(w http.ResponseWriter, r *http.Request) {
	h.answer(w, r, func(ctx context.Context, tenant payment.TenantID) (reply, error) {
		if err := h.readNothing(w, r); err != nil {
			return reply{}, err
		}
		ctx, cancel := h.bounded(ctx)
		defer cancel()
		err := h.registry.DeleteEndpoint(ctx, tenant, idOf(r))
		return reply{status: http.StatusNoContent}, notKnown(ctx, err, notWritten)
	})
}

// readForm takes a body in, and refuses a query.
func (h *Handler) readForm(w http.ResponseWriter, r *http.Request, what string, members ...string) (*body.Form, error) {
	if err := query.None(r.URL.RawQuery); err != nil {
		return nil, err
	}
	return body.ReadForm(w, r, body.FormShape{
		What: what, Members: members, BytesMax: bodyBytesMax, Timeout: h.cfg.BodyTimeout,
	})
}

// readNothing takes in what says no more than the path: no query, and no body.
func (h *Handler) readNothing(w http.ResponseWriter, r *http.Request) error {
	if err := query.None(r.URL.RawQuery); err != nil {
		return err
	}
	return h.readNoBody(w, r)
}

// readNoBody takes in no body, or an empty object.
func (h *Handler) readNoBody(w http.ResponseWriter, r *http.Request) error {
	form, err := body.ReadForm(w, r, body.FormShape{
		What: "this request, which needs no body", BytesMax: bodyBytesMax, Timeout: h.cfg.BodyTimeout, MayBeEmpty: true,
	})
	if err != nil {
		return err
	}
	return form.Err()
}
