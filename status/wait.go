package status

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/paybuf/paybuf/internal/object"
	"github.com/paybuf/paybuf/internal/prefer"
	"github.com/paybuf/paybuf/payment"
)

// Waiting lets a request wait until see says that a payment is enough, or until a
// time. see is called with each version that is read meanwhile, one after the other
// and not after the wait.
type Waiting interface {
	// Wait returns then, or when ctx ends. honoured is false if there was no place to
	// wait.
	Wait(ctx context.Context, tenant payment.TenantID, id payment.ID, until time.Time,
		see func(payment.Payment) (enough bool)) (honoured bool)
	// Later calls over then, unless leave came before. ok is false if there was no
	// place to wait.
	Later(tenant payment.TenantID, id payment.ID, until time.Time,
		see func(payment.Payment) (enough bool), over func()) (leave func() (inTime bool), ok bool)
}

// Parking lets a request wait without the server, which serves it anew when the wait
// is over.
type Parking interface {
	// Park does so, if it can. Then the handler must return at once.
	Park(w http.ResponseWriter, r *http.Request, note any,
		begin func(over func()) (leave func() (inTime bool), ok bool)) (parked bool)
	// Note gives what was left with Park if the request was parked, nil otherwise.
	Note(r *http.Request) any
}

// question is a GET of one payment, and what was found. It keeps nothing of its
// request while that is parked.
type question struct {
	tenant  payment.TenantID
	id      payment.ID
	mark    uint64 // of Finals, from before the payment was read
	tags    []string
	found   *payment.Payment
	refused bool // there was no place to wait
}

// await finds the payment, waits as the client wishes (RFC 7240, section 4.3), if it
// does, and leaves in q the payment as it is then. With If-None-Match the client knows
// a version and waits for another; without, it waits for the end. A parked payment is
// as good as one: a person has to see to it, which takes longer than any wait. If the
// request is parked it is answered when it is served anew.
func (h *Handler) await(w http.ResponseWriter, r *http.Request, q *question, began time.Time) (parked bool, err error) {
	wish := prefer.Of(r.Header).Wait
	if wish == 0 || h.cfg.Waiting == nil {
		return false, h.look(r.Context(), q)
	}
	if err := h.look(r.Context(), q); err != nil {
		return false, err
	}
	q.tags = r.Header["If-None-Match"]
	if !q.enough() {
		until := began.Add(wish)
		if h.park(w, r, q, until) {
			return true, nil
		}
		started := time.Now()
		q.refused = q.refused || !h.cfg.Waiting.Wait(r.Context(), q.tenant, q.id, until, q.see)
		prefer.Observe(w, time.Since(started))
	}
	if !q.refused {
		prefer.AppliedWait(w.Header(), wish)
	}
	return false, nil
}

func (h *Handler) park(w http.ResponseWriter, r *http.Request, q *question, until time.Time) bool {
	if h.cfg.Parking == nil {
		return false
	}
	q.tenant, q.id = q.found.Tenant, q.found.ID // the same, and no part of the request's text
	q.tags = slices.Clone(q.tags)
	for i, tag := range q.tags {
		q.tags[i] = strings.Clone(tag)
	}
	return h.cfg.Parking.Park(w, r, q, func(over func()) (func() bool, bool) {
		leave, ok := h.cfg.Waiting.Later(q.tenant, q.id, until, q.see, over)
		q.refused = !ok
		return leave, ok
	})
}

// parked gives the question that a request was parked with. What it found is for that
// tenant and payment alone.
func (h *Handler) parked(r *http.Request, tenant payment.TenantID, id payment.ID) *question {
	if h.cfg.Parking == nil || !prefer.Given(r.Header) {
		return nil
	}
	q, ok := h.cfg.Parking.Note(r).(*question)
	if !ok || q.tenant != tenant || q.id != id {
		return nil
	}
	return q
}

func (q *question) see(p payment.Payment) (enough bool) {
	if p.Version != q.found.Version || p.RetriedBy != q.found.RetriedBy {
		newer := p // here, so that what is not kept stays off the heap
		q.found = &newer
	}
	return q.enough()
}

func (q *question) enough() bool {
	if q.tags == nil {
		return q.found.State.Final() || q.found.State == payment.Parked
	}
	return !noneMatch(q.tags, object.ETag(*q.found))
}

func (h *Handler) look(ctx context.Context, q *question) error {
	found, err := h.payment(ctx, q.tenant, q.id)
	q.found = &found
	return err
}
