package ingest

import (
	"net/http"
	"time"

	"github.com/paybuf/paybuf/internal/fault"
	"github.com/paybuf/paybuf/payment"
)

// acceptFirst is what a handler must never do, for a test to see that it is
// noticed: it answers before the buffer has the request.
func (h *Handler) acceptFirst(w http.ResponseWriter, r *http.Request, request payment.Request, began time.Time) {
	h.accept(w, r, payment.Receipt{First: request}, began)
	answered(w)
	_, _ = h.put(r.Context(), request)
}

// answered is passed when the client has its answer. Otherwise that would leave
// when the handler returns.
func answered(w http.ResponseWriter) {
	if fault.Enabled {
		_ = http.NewResponseController(w).Flush()
		fault.At(fault.IngestAnswered)
	}
}
