// Package status tells clients how far their payments have come.
//
// It promises that a payment which was accepted is never answered with 404, that
// what it says of a payment never goes back to an earlier state, and that the
// payment of another tenant cannot be told from one that does not exist. It
// reads and never writes; when it does not know, it says so with a 503.
package status

import (
	"context"
	"net/http"
	"time"

	"github.com/go-chi/chi/v5"

	"github.com/paybuf/paybuf/internal/object"
	"github.com/paybuf/paybuf/internal/prefer"
	"github.com/paybuf/paybuf/internal/problem"
	"github.com/paybuf/paybuf/payment"
)

// Reader knows the payments that have been claimed.
type Reader interface {
	// Payment finds a tenant's payment. Its error has CodeNotFound if the tenant has
	// none with this id; any other means that nothing is known.
	Payment(ctx context.Context, tenant payment.TenantID, id payment.ID) (payment.Payment, error)
	// PaymentsByOrder finds all payments of an order number, oldest first.
	PaymentsByOrder(ctx context.Context, tenant payment.TenantID, orderNumber string) ([]payment.Payment, error)
	// ListPayments lists a tenant's payments, the newest claim first. The State of the
	// filter is not Queued.
	ListPayments(ctx context.Context, tenant payment.TenantID, filter payment.ListFilter) (payment.ListPage, error)
}

// Backlog knows the requests that wait for their claim. An error means that
// nothing is known.
type Backlog interface {
	Peek(ctx context.Context, id payment.ID) (payment.Request, bool, error)
}

// Authenticator names the tenant of a request. Its error is an *payment.Error.
type Authenticator interface {
	Authenticate(r *http.Request) (payment.TenantID, error)
}

// Config has a working zero value.
type Config struct {
	// PublicURL stands before the paths in absolute URLs, such as
	// "https://pay.example". If empty, it is the address the client used.
	PublicURL string
	// ReadTimeout limits all the look-ups of one request; 5 s if 0.
	ReadTimeout time.Duration
	// Waiting, if not nil, lets requests wait for a change. Without it the preference to
	// wait is ignored.
	Waiting Waiting
	// Parking, if not nil, takes those that wait off the server meanwhile, where that can
	// be done.
	Parking Parking
	// Queue, if not nil, tells when what waits for its claim should be asked about again.
	Queue Queue
	// Finals, if not nil, remembers the answers about final payments.
	Finals *Finals
}

const readTimeoutDefault = 5 * time.Second

// Handler answers GET and HEAD of /v1/payments and /v1/payments/{id}.
type Handler struct {
	reader  Reader
	backlog Backlog
	auth    Authenticator
	key     payment.IDKey
	cfg     Config
}

// New makes a handler; key is the one that ids are derived with.
func New(reader Reader, backlog Backlog, auth Authenticator, key payment.IDKey, cfg Config) *Handler {
	if cfg.ReadTimeout == 0 {
		cfg.ReadTimeout = readTimeoutDefault
	}
	return &Handler{reader: reader, backlog: backlog, auth: auth, key: key, cfg: cfg}
}

// Routes adds the handler's routes.
func (h *Handler) Routes(r chi.Router) {
	r.Get(object.CollectionPath, h.list)
	r.Head(object.CollectionPath, h.list)
	r.Get(object.ItemPattern, h.get)
	r.Head(object.ItemPattern, h.get)
}

func (h *Handler) get(w http.ResponseWriter, r *http.Request) {
	began := time.Now()
	tenant, err := h.auth.Authenticate(r)
	if err != nil {
		problem.Write(w, r, err)
		return
	}
	id, base := object.IDOf(r, h.key, tenant), object.Base(h.cfg.PublicURL, r)
	if q := h.parked(r, tenant, id); q != nil {
		prefer.AppliedWait(w.Header(), prefer.Of(r.Header).Wait)
		h.tell(w, r, q, base)
		return
	}
	known, mark := h.cfg.Finals.find(tenant, id, base, began)
	if known != nil && !prefer.Given(r.Header) {
		answer(w, r, known)
		return
	}
	q := &question{tenant: tenant, id: id, mark: mark}
	parked, err := h.await(w, r, q, began)
	switch {
	case err != nil:
		problem.Write(w, r, err)
	case !parked:
		h.tell(w, r, q, base)
	}
}

// tell answers with what was found.
func (h *Handler) tell(w http.ResponseWriter, r *http.Request, q *question, base string) {
	shown, err := answerOf(*q.found, base)
	if err != nil {
		problem.Write(w, r, err)
		return
	}
	if q.found.State.Final() {
		h.cfg.Finals.keep(q.found, shown, q.mark, time.Now())
	} else {
		w.Header().Set("Retry-After", problem.Seconds(h.askAgainIn(q.found, time.Now())))
	}
	answer(w, r, shown)
}

// shown is the answer about one payment.
type shown struct {
	etag string
	body []byte
	base string // what the URLs in body begin with
}

func answerOf(p payment.Payment, base string) (*shown, error) {
	body, err := object.Encode(object.Of(p, base))
	if err != nil {
		return nil, err
	}
	return &shown{etag: object.ETag(p), body: body, base: base}, nil
}

// answer sends it, or that the client has it already.
func answer(w http.ResponseWriter, r *http.Request, s *shown) {
	w.Header().Set("ETag", s.etag)
	setCaching(w.Header())
	if noneMatch(r.Header["If-None-Match"], s.etag) {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	if err := object.WriteEncoded(w, http.StatusOK, s.body); err != nil {
		problem.Observe(w, err)
	}
}

// setCaching lets a client keep an answer, but not use it without asking.
func setCaching(header http.Header) {
	header.Set("Cache-Control", "private, no-cache")
	header.Set("Vary", "Authorization")
}

func write(w http.ResponseWriter, shown any) {
	if err := object.Write(w, http.StatusOK, shown); err != nil {
		problem.Observe(w, err)
	}
}
