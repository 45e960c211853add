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
}

const (
	readTimeoutDefault = 5 * time.Second
	// pollAfter is when a client should ask again for a payment that is not final.
	pollAfter = time.Second
	// scheduledPollMax is the same while a payment waits for its time.
	scheduledPollMax = time.Minute
)

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
	tenant, err := h.auth.Authenticate(r)
	if err != nil {
		problem.Write(w, r, err)
		return
	}
	found, err := h.payment(r.Context(), tenant, object.IDOf(r, h.key, tenant))
	if err != nil {
		problem.Write(w, r, err)
		return
	}
	etag := object.ETag(found)
	header := w.Header()
	header.Set("ETag", etag)
	setCaching(header)
	if !found.State.Final() {
		header.Set("Retry-After", problem.Seconds(askAgainIn(found, time.Now())))
	}
	if noneMatch(r.Header.Values("If-None-Match"), etag) {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	write(w, object.Of(found, object.Base(h.cfg.PublicURL, r)))
}

// askAgainIn is when there may be news of a payment. One that waits for its time has
// none before, but may be canceled.
func askAgainIn(p payment.Payment, now time.Time) time.Duration {
	if p.State != payment.Scheduled {
		return pollAfter
	}
	return min(max(p.NotBefore.Sub(now), pollAfter), scheduledPollMax)
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
