// Package ingest takes payment requests in over HTTP.
//
// It promises a 202 only after the buffer has the request, one answer that names
// everything that is wrong with a request, and that a repeated request gets the
// answer of the first. It refuses card numbers and never repeats one. It needs
// no database: what it knows of a tenant it is told by its Authenticator.
package ingest

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/go-chi/chi/v5"

	"github.com/paybuf/paybuf/internal/body"
	"github.com/paybuf/paybuf/internal/fault"
	"github.com/paybuf/paybuf/internal/object"
	"github.com/paybuf/paybuf/internal/problem"
	"github.com/paybuf/paybuf/payment"
)

// Putter keeps a request for good. It answers within a bounded time, or when ctx
// ends. Its errors are *payment.Error: CodeOrderConflict with the id of the payment
// that is there, CodeTenantShare or CodeBufferFull if there is no room, or
// CodeBufferUnavailable if nobody knows whether the request was kept.
type Putter interface {
	Put(ctx context.Context, request payment.Request) (payment.Receipt, error)
}

// Authenticator names the tenant of a request. Its error is an *payment.Error.
type Authenticator interface {
	Authenticate(r *http.Request) (payment.TenantID, error)
}

// Outcomes knows how far a payment has come. Its error is an *payment.Error
// with CodeNotFound if nobody has claimed the payment yet.
type Outcomes interface {
	Payment(ctx context.Context, tenant payment.TenantID, id payment.ID) (payment.Payment, error)
}

// Config has a working zero value.
type Config struct {
	// PublicURL stands before the paths in absolute URLs, such as
	// "https://pay.example". If empty, it is the address the client used.
	PublicURL string
	// Outcomes, if not nil, is asked whether a repeated payment is final already.
	Outcomes Outcomes
	// Backlog and Outcomes, those that are not nil, are asked whether what came with
	// an expired payment token was submitted in time.
	Backlog Backlog
	// Reserver, if not nil, keeps idempotency keys. Without one the header
	// Idempotency-Key is ignored: the order number still tells a repetition.
	Reserver Reserver
	// OutcomeTimeout limits such questions; after it the first answer is repeated, and
	// a token's request is to be sent again. 250 ms if 0.
	OutcomeTimeout time.Duration
	// Waiting, if not nil, lets a request wait for its outcome. Without it the preference
	// to wait is ignored.
	Waiting Waiting
	// Queue, if not nil, tells when the outcome should first be asked for.
	Queue Queue
	// BodyTimeout limits the arrival of a body; 10 s if 0.
	BodyTimeout time.Duration
	// BatchTimeout limits the wait of a batch for the buffer; 15 s if 0.
	BatchTimeout time.Duration
	// CountItems, if not nil, is told how many items of a batch had a result:
	// "accepted", "duplicate" or "refused".
	CountItems func(result string, n int)
	// Clock tells when a request was accepted; time.Now if nil.
	Clock func() time.Time
}

func (c Config) withDefaults() Config {
	if c.OutcomeTimeout == 0 {
		c.OutcomeTimeout = 250 * time.Millisecond
	}
	if c.BodyTimeout == 0 {
		c.BodyTimeout = 10 * time.Second
	}
	if c.BatchTimeout == 0 {
		c.BatchTimeout = 15 * time.Second
	}
	if c.Clock == nil {
		c.Clock = time.Now
	}
	return c
}

// Handler answers POST /v1/payments.
type Handler struct {
	putter Putter
	auth   Authenticator
	key    payment.IDKey
	cfg    Config
	busy   sync.Map // the payment.KeyHash of each request under way that has a key
}

const bodyBytesMax = 64 << 10

// durabilityHeader says what holds a request that was accepted.
const durabilityHeader = "Paybuf-Durability"

var errOutcomeSlow = errors.New("the outcome of a repeated payment was not found in time")

// New makes a handler that derives ids with key.
func New(putter Putter, auth Authenticator, key payment.IDKey, cfg Config) *Handler {
	return &Handler{putter: putter, auth: auth, key: key, cfg: cfg.withDefaults()}
}

// Routes adds the handler's routes.
func (h *Handler) Routes(r chi.Router) {
	r.Post(object.CollectionPath, h.create)
}

func (h *Handler) create(w http.ResponseWriter, r *http.Request) {
	began := time.Now()
	tenant, err := h.auth.Authenticate(r)
	if err != nil {
		problem.Write(w, r, err)
		return
	}
	request, err := h.read(w, r, tenant)
	if err != nil {
		problem.Write(w, r, err)
		return
	}
	if fault.Dropped(fault.Receipt) {
		h.acceptFirst(w, r, request, began)
		return
	}
	receipt, err := h.putOnce(r, request)
	if err != nil {
		h.refuse(w, r, err)
		return
	}
	fault.At(fault.IngestPut)
	h.accept(w, r, receipt, began)
	answered(w)
}

// read makes a request of the body, or an error that names all that is wrong.
func (h *Handler) read(w http.ResponseWriter, r *http.Request, tenant payment.TenantID) (payment.Request, error) {
	document, err := readDocument(w, r, &requestShape, h.cfg.BodyTimeout)
	if err != nil {
		return payment.Request{}, err
	}
	request, err := document.request(h.key, tenant, h.cfg.Clock())
	if err == nil && document.late {
		err = h.cfg.checkLate(r.Context(), request)
	}
	return request, err
}

// readDocument takes in a body of JSON. Its error is about the body as a whole.
func readDocument(w http.ResponseWriter, r *http.Request, form *shape, timeout time.Duration) (document, error) {
	if _, err := body.MediaType(r.Header, body.JSON); err != nil {
		return document{}, err
	}
	whole, err := body.Read(w, r, bodyBytesMax, timeout)
	if err != nil {
		return document{}, err
	}
	defer body.Done(whole) // what a document holds was copied out
	return decode(whole, form)
}

// put waits for the buffer.
func (h *Handler) put(ctx context.Context, request payment.Request) (payment.Receipt, error) {
	fault.At(fault.IngestPutting)
	receipt, err := h.putter.Put(ctx, request)
	if err != nil {
		return payment.Receipt{}, putError(ctx, err)
	}
	return receipt, nil
}

// putError is the refusal that an error of the buffer's becomes. Running out of
// time proves nothing about whether the request is kept, so the client is told to
// send it again.
func putError(ctx context.Context, err error) error {
	if _, coded := errors.AsType[*payment.Error](err); !coded && ctx.Err() != nil {
		return &payment.Error{
			Code:       payment.CodeBufferUnavailable,
			Detail:     "it is not known whether the request was stored; send it again",
			RetryAfter: pollAfter,
			Cause:      errors.Join(context.Cause(ctx), err),
		}
	}
	return fmt.Errorf("put: %w", err)
}

// refuse answers what the buffer refused. A conflict names the payment that is
// there, so that the client can look at it.
func (h *Handler) refuse(w http.ResponseWriter, r *http.Request, err error) {
	coded, ok := errors.AsType[*payment.Error](err)
	if !ok || coded.Code != payment.CodeOrderConflict || coded.PaymentID == "" {
		problem.Write(w, r, err)
		return
	}
	path := object.Path(coded.PaymentID)
	w.Header().Set("Location", path)
	problem.WriteAbout(w, r, err, object.Base(h.cfg.PublicURL, r)+path)
}

// accept answers a request that is kept. A repeated one gets the first answer, or
// better: the outcome, if there is one. So does a client that wishes to wait.
func (h *Handler) accept(w http.ResponseWriter, r *http.Request, receipt payment.Receipt, began time.Time) {
	base := object.Base(h.cfg.PublicURL, r)
	header := w.Header()
	header.Set("Location", object.Path(receipt.First.ID))
	header.Set("Cache-Control", "no-store")
	if receipt.Duplicate {
		header.Set("Idempotent-Replayed", "true")
	}
	if receipt.Durability != "" {
		header.Set(durabilityHeader, receipt.Durability)
	}
	final, ok := h.finalOutcome(w, r, receipt)
	if !ok {
		final, ok = h.await(w, r, receipt.First, began)
	}
	if ok {
		write(w, http.StatusOK, object.Outcome(final, base, receipt.Duplicate))
		return
	}
	header.Set("Retry-After", problem.Seconds(h.cfg.askIn(receipt.First)))
	write(w, http.StatusAccepted, object.Accepted(receipt.First, base, receipt.Duplicate))
}

func write(w http.ResponseWriter, status int, shown object.Payment) {
	if err := object.Write(w, status, shown); err != nil {
		problem.Observe(w, err)
	}
}

// finalOutcome finds the final payment that a request repeats. To know it is a
// favour to the client: whatever goes wrong, the first answer is as good.
func (h *Handler) finalOutcome(
	w http.ResponseWriter, r *http.Request, receipt payment.Receipt,
) (payment.Payment, bool) {
	if !receipt.Duplicate || h.cfg.Outcomes == nil {
		return payment.Payment{}, false
	}
	ctx, cancel := context.WithTimeoutCause(r.Context(), h.cfg.OutcomeTimeout, errOutcomeSlow)
	defer cancel()
	found, err := h.cfg.Outcomes.Payment(ctx, receipt.First.Tenant, receipt.First.ID)
	if err != nil {
		if code, _ := payment.CodeOf(err); code != payment.CodeNotFound {
			problem.Observe(w, fmt.Errorf("outcome of a repeated payment: %w", err))
		}
		return payment.Payment{}, false
	}
	return found, found.State.Final()
}
