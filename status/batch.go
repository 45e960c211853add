package status

import (
	"context"
	"errors"
	"net/http"

	"github.com/go-chi/chi/v5"

	"github.com/paybuf/paybuf/internal/object"
	"github.com/paybuf/paybuf/internal/problem"
	"github.com/paybuf/paybuf/payment"
)

// BatchReader knows the batches whose lists have been claimed, and their payments.
type BatchReader interface {
	// Batch finds a tenant's batch. Its error has CodeNotFound if the tenant has none
	// with this id; any other means that nothing is known.
	Batch(ctx context.Context, tenant payment.TenantID, id payment.BatchID) (payment.Batch, error)
	// CountStates counts a batch's payments; those that nobody has claimed are Queued.
	CountStates(ctx context.Context, batch payment.Batch) (map[payment.State]int, error)
	// BatchPayments lists some of them, in their order.
	BatchPayments(ctx context.Context, batch payment.Batch, page payment.BatchPage) ([]payment.BatchItem, error)
}

// BatchBacklog knows the lists that wait for their claim. An error means that
// nothing is known.
type BatchBacklog interface {
	PeekBatch(ctx context.Context, id payment.BatchID) (payment.Batch, bool, error)
}

// BatchHandler answers GET and HEAD of /v1/batches/{id} and /v1/batches/{id}/payments.
type BatchHandler struct {
	reader  BatchReader
	backlog BatchBacklog
	auth    Authenticator
	key     payment.IDKey
	cfg     Config
}

var errBatchSlow = errors.New("the batch was not found in time")

// NewBatches makes a handler; key is the one that ids are derived with.
func NewBatches(
	reader BatchReader, backlog BatchBacklog, auth Authenticator, key payment.IDKey, cfg Config,
) *BatchHandler {
	if cfg.ReadTimeout == 0 {
		cfg.ReadTimeout = readTimeoutDefault
	}
	return &BatchHandler{reader: reader, backlog: backlog, auth: auth, key: key, cfg: cfg}
}

// Routes adds the handler's routes.
func (h *BatchHandler) Routes(r chi.Router) {
	r.Get(object.BatchItemPattern, h.get)
	r.Head(object.BatchItemPattern, h.get)
	r.Get(object.BatchPaymentsPattern, h.list)
	r.Head(object.BatchPaymentsPattern, h.list)
}

func (h *BatchHandler) get(w http.ResponseWriter, r *http.Request) {
	h.answer(w, r, func(ctx context.Context, batch payment.Batch) (any, error) {
		counts, err := h.reader.CountStates(ctx, batch)
		if err != nil {
			return nil, batchNotKnown(ctx, err)
		}
		shown := object.BatchOf(batch, counts, object.Base(h.cfg.PublicURL, r))
		if !shown.Final {
			w.Header().Set("Retry-After", problem.Seconds(pollAfter))
		}
		return shown, nil
	})
}

func (h *BatchHandler) list(w http.ResponseWriter, r *http.Request) {
	h.answer(w, r, func(ctx context.Context, batch payment.Batch) (any, error) {
		page, err := batchPageOf(r.URL.RawQuery)
		if err != nil {
			return nil, err
		}
		wanted := page.Limit
		page.Limit++ // one more tells whether there is a next page
		items, err := h.reader.BatchPayments(ctx, batch, page)
		if err != nil {
			return nil, batchNotKnown(ctx, err)
		}
		next := ""
		if len(items) > wanted {
			next = cursorAt(items[wanted].Position)
			items = items[:wanted]
		}
		return object.BatchPageOf(items, next, object.Base(h.cfg.PublicURL, r)), nil
	})
}

// answer finds the batch in the path and shows of it what show gives.
func (h *BatchHandler) answer(
	w http.ResponseWriter, r *http.Request, show func(context.Context, payment.Batch) (any, error),
) {
	tenant, err := h.auth.Authenticate(r)
	if err != nil {
		problem.Write(w, r, err)
		return
	}
	ctx, cancel := context.WithTimeoutCause(r.Context(), h.cfg.ReadTimeout, errBatchSlow)
	defer cancel()
	batch, err := h.find(ctx, tenant, h.idOf(tenant, chi.URLParam(r, "id")))
	if err != nil {
		problem.Write(w, r, err)
		return
	}
	shown, err := show(ctx, batch)
	if err != nil {
		problem.Write(w, r, err)
		return
	}
	setCaching(w.Header())
	write(w, shown)
}

// idOf reads the id in a path, as Handler.idOf does for a payment: what is no id
// becomes that of the batch without payments, which nobody can make.
func (h *BatchHandler) idOf(tenant payment.TenantID, text string) payment.BatchID {
	id, err := payment.ParseBatchID(text)
	if err != nil {
		return h.key.DeriveBatch(tenant, nil)
	}
	return id
}

// find asks the ledger, the buffer, and the ledger once more, since a list moves
// from the one to the other in between. A list never changes, so the first that is
// found is right.
func (h *BatchHandler) find(
	ctx context.Context, tenant payment.TenantID, id payment.BatchID,
) (payment.Batch, error) {
	batch, err := h.reader.Batch(ctx, tenant, id)
	if !isNotFound(err) {
		return batch, batchNotKnown(ctx, err)
	}
	waiting, found, err := h.backlog.PeekBatch(ctx, id)
	if err != nil {
		return payment.Batch{}, batchNotKnown(ctx, err)
	}
	if found && waiting.Tenant == tenant {
		return waiting, nil
	}
	batch, err = h.reader.Batch(ctx, tenant, id)
	if isNotFound(err) {
		return payment.Batch{}, &payment.Error{Code: payment.CodeNotFound, Detail: "there is no such batch"}
	}
	return batch, batchNotKnown(ctx, err)
}

func isNotFound(err error) bool {
	if err == nil {
		return false
	}
	code, _ := payment.CodeOf(err)
	return code == payment.CodeNotFound
}

// batchNotKnown is the answer when a look-up failed, nil if it did not.
func batchNotKnown(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	return notKnown(ctx, err)
}
