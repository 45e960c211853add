// Package cancel lets clients call payments off.
//
// It promises that what it answers with 200 is never charged, that a cancellation
// may be sent again whenever nobody knows what became of it, and that the payment of
// another tenant cannot be told from one that does not exist. Whether a payment may
// still be canceled the ledger alone decides; when it does not answer, nobody knows,
// which is a 503.
package cancel

import (
	"context"
	"net/http"
	"time"

	"github.com/go-chi/chi/v5"

	"github.com/paybuf/paybuf/internal/object"
	"github.com/paybuf/paybuf/internal/problem"
	"github.com/paybuf/paybuf/payment"
)

// Ledger knows the payments that have been claimed, and decides.
type Ledger interface {
	// Cancel makes a payment canceled, and gives it; one that is canceled already is
	// given as it is. Its error has CodeNotCancelable, with the reason and the id of
	// the payment, or CodeNotFound; any other means that nobody knows.
	Cancel(ctx context.Context, c payment.Cancellation) (payment.Payment, error)
	// Payment finds a tenant's payment, or has CodeNotFound.
	Payment(ctx context.Context, tenant payment.TenantID, id payment.ID) (payment.Payment, error)
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
	// Timeout limits all that one request waits for; 5 s if 0.
	Timeout time.Duration
	// BodyTimeout limits the arrival of a body; 10 s if 0.
	BodyTimeout time.Duration
}

// Handler answers POST /v1/payments/{id}/cancel and POST /v1/payments/cancel.
type Handler struct {
	ledger  Ledger
	backlog Backlog
	auth    Authenticator
	key     payment.IDKey
	cfg     Config
	places  chan struct{} // one per cancellation under way
}

const (
	// atOnceMax leaves connections to the ledger for those who only read.
	atOnceMax = 4

	timeoutDefault     = 5 * time.Second
	bodyTimeoutDefault = 10 * time.Second
)

// New makes a handler; key is the one that ids are derived with.
func New(ledger Ledger, backlog Backlog, auth Authenticator, key payment.IDKey, cfg Config) *Handler {
	if cfg.Timeout == 0 {
		cfg.Timeout = timeoutDefault
	}
	if cfg.BodyTimeout == 0 {
		cfg.BodyTimeout = bodyTimeoutDefault
	}
	return &Handler{ledger: ledger, backlog: backlog, auth: auth, key: key, cfg: cfg, places: make(chan struct{}, atOnceMax)}
}

// Routes adds the handler's routes.
func (h *Handler) Routes(r chi.Router) {
	r.Post(object.CancelItemPattern, h.byID)
	r.Post(object.CancelOrderPath, h.byOrder)
}

func (h *Handler) byID(w http.ResponseWriter, r *http.Request) {
	h.answer(w, r, func(ctx context.Context, tenant payment.TenantID) (payment.Payment, error) {
		if err := h.readNothing(w, r); err != nil {
			return payment.Payment{}, err
		}
		return h.cancelPayment(ctx, tenant, object.IDOf(r, h.key, tenant))
	})
}

func (h *Handler) byOrder(w http.ResponseWriter, r *http.Request) {
	h.answer(w, r, func(ctx context.Context, tenant payment.TenantID) (payment.Payment, error) {
		orderNumber, err := h.readOrderNumber(w, r)
		if err != nil {
			return payment.Payment{}, err
		}
		return h.cancelOrder(ctx, tenant, orderNumber)
	})
}

// answer shows the payment that was canceled, or why none was.
func (h *Handler) answer(
	w http.ResponseWriter, r *http.Request, cancel func(context.Context, payment.TenantID) (payment.Payment, error),
) {
	tenant, err := h.auth.Authenticate(r)
	if err != nil {
		problem.Write(w, r, err)
		return
	}
	canceled, err := cancel(r.Context(), tenant)
	if err != nil {
		h.refuse(w, r, err)
		return
	}
	header := w.Header()
	header.Set("Location", object.Path(canceled.ID))
	header.Set("ETag", object.ETag(canceled))
	header.Set("Cache-Control", "no-store")
	if err := object.Write(w, http.StatusOK, object.Of(canceled, object.Base(h.cfg.PublicURL, r))); err != nil {
		problem.Observe(w, err)
	}
}

// refuse names the payment in question, if there is one, so that the client can
// look at it.
func (h *Handler) refuse(w http.ResponseWriter, r *http.Request, err error) {
	id, named := paymentOf(err)
	if !named {
		problem.Write(w, r, err)
		return
	}
	w.Header().Set("Location", object.Path(id))
	problem.WriteAbout(w, r, err, object.Base(h.cfg.PublicURL, r)+object.Path(id))
}
