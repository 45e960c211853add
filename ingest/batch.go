package ingest

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/go-chi/chi/v5"

	"github.com/paybuf/paybuf/internal/body"
	"github.com/paybuf/paybuf/internal/fault"
	"github.com/paybuf/paybuf/internal/object"
	"github.com/paybuf/paybuf/internal/problem"
	"github.com/paybuf/paybuf/payment"
)

// BatchPutter keeps many requests for good, and the list of those it kept.
type BatchPutter interface {
	// PutAll answers each request in order, as Putter does. Of requests with one id
	// the first counts.
	PutAll(ctx context.Context, requests []payment.Request) []payment.PutResult
	// PutBatch keeps a list; its errors are those of Putter, without the conflict.
	PutBatch(ctx context.Context, batch payment.Batch) error
}

// BatchHandler answers POST /v1/payments/batch.
type BatchHandler struct {
	putter BatchPutter
	auth   Authenticator
	key    payment.IDKey
	cfg    Config
	places *batchPlaces
}

// enterShare of BatchTimeout passes before a batch without a place is refused.
const enterShare = 3

var errBatchSlow = errors.New("the buffer did not take the batch in time")

// NewBatch makes a handler that derives ids with key. Of cfg it does not use
// Outcomes but for expired tokens: a batch shows what became of its payments by
// itself.
func NewBatch(putter BatchPutter, auth Authenticator, key payment.IDKey, cfg Config) *BatchHandler {
	return &BatchHandler{
		putter: putter, auth: auth, key: key, cfg: cfg.withDefaults(),
		places: newBatchPlaces(),
	}
}

// Routes adds the handler's routes.
func (h *BatchHandler) Routes(r chi.Router) {
	r.Post(object.BatchCollectionPath, h.create)
}

// batchItem is one item on its way: at last it has a receipt or an error.
type batchItem struct {
	request payment.Request
	receipt payment.Receipt
	err     error
}

func (h *BatchHandler) create(w http.ResponseWriter, r *http.Request) {
	tenant, err := h.auth.Authenticate(r)
	if err != nil {
		problem.Write(w, r, err)
		return
	}
	if err := checkNoKey(r.Header); err != nil {
		problem.Write(w, r, err)
		return
	}
	leave, err := h.places.enter(r.Context(), tenant, h.cfg.BatchTimeout/enterShare)
	if err != nil {
		problem.Write(w, r, err)
		return
	}
	defer leave()
	items, err := h.read(w, r, tenant)
	if err != nil {
		problem.Write(w, r, err)
		return
	}
	ctx, cancel := context.WithTimeoutCause(r.Context(), h.cfg.BatchTimeout, errBatchSlow)
	defer cancel()
	h.put(ctx, items)
	answer := h.answerOf(items, object.Base(h.cfg.PublicURL, r))
	batch, err := h.keep(ctx, tenant, items)
	if err != nil {
		problem.WriteItems(w, r, err, answer.Items)
		return
	}
	h.accept(w, r, batch, items, answer)
}

// checkNoKey refuses a key rather than pass over what a client relies on.
func checkNoKey(header http.Header) error {
	if _, given := header[keyHeader]; !given {
		return nil
	}
	return badKey("a batch takes no Idempotency-Key; send it without one: " +
		"its order numbers make it safe to repeat")
}

// read makes requests of the body, each as if it had come alone. The error is
// about the batch as a whole.
func (h *BatchHandler) read(w http.ResponseWriter, r *http.Request, tenant payment.TenantID) ([]batchItem, error) {
	mediaType, err := body.MediaType(r.Header, ndjsonType, body.JSON)
	if err != nil {
		return nil, err
	}
	whole, err := body.Read(w, r, batchBytesMax, h.cfg.BodyTimeout)
	if err != nil {
		return nil, err
	}
	texts, err := split(whole.Bytes(), mediaType)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeoutCause(r.Context(), h.cfg.BatchTimeout, errBatchSlow)
	defer cancel()
	items := make([]batchItem, len(texts))
	at := h.cfg.Clock()
	for i, text := range texts {
		items[i].request, items[i].err = h.readItem(ctx, text, tenant, at)
	}
	return items, nil
}

func (h *BatchHandler) readItem(
	ctx context.Context, text []byte, tenant payment.TenantID, at time.Time,
) (payment.Request, error) {
	if len(text) > bodyBytesMax {
		return payment.Request{}, body.TooLarge(bodyBytesMax)
	}
	document, err := decode(bytes.NewBuffer(text[:len(text):len(text)]), &requestShape)
	if err != nil {
		return payment.Request{}, err
	}
	request, err := document.request(h.key, tenant, at)
	if err == nil && document.late {
		err = h.cfg.checkLate(ctx, request)
	}
	return request, err
}

// put hands those items to the buffer that can be read.
func (h *BatchHandler) put(ctx context.Context, items []batchItem) {
	var requests []payment.Request
	var positions []int
	for i, item := range items {
		if item.err == nil {
			requests = append(requests, item.request)
			positions = append(positions, i)
		}
	}
	if len(requests) == 0 {
		return
	}
	for n, result := range h.putter.PutAll(ctx, requests) {
		item := &items[positions[n]]
		item.receipt = result.Receipt
		if result.Err != nil {
			item.err = putError(ctx, result.Err)
		}
	}
}

// keep makes the batch of the items that were accepted and hands its list to the
// buffer. Without it there is no 202: the client would ask for a batch that nobody
// knows.
func (h *BatchHandler) keep(ctx context.Context, tenant payment.TenantID, items []batchItem) (payment.Batch, error) {
	var accepted []payment.Request
	for _, item := range items {
		if item.err == nil {
			accepted = append(accepted, item.request)
		}
	}
	if len(accepted) == 0 {
		return payment.Batch{}, refusalOf(items)
	}
	batch, err := payment.NewBatch(h.key, tenant, accepted, h.cfg.Clock())
	if err != nil {
		return payment.Batch{}, err
	}
	fault.At(fault.IngestBatchPut)
	if err := h.putter.PutBatch(ctx, batch); err != nil {
		return payment.Batch{}, putError(ctx, err)
	}
	fault.At(fault.IngestBatchKept)
	return batch, nil
}
