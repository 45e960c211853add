package ingest

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/paybuf/paybuf/internal/fault"
	"github.com/paybuf/paybuf/payment"
)

// keyHeader is optional (draft-ietf-httpapi-idempotency-key-header-07).
const keyHeader = "Idempotency-Key"

// keyRetryAfter is when the first request with a key has probably ended.
const keyRetryAfter = time.Second

// Reserver binds an idempotency key to a request for a published time. Its errors
// are *payment.Error: CodeKeyReused if the key belongs to another request,
// CodeKeyInUse while another node is at work on the first one, and those of
// Putter.
type Reserver interface {
	// Reserve is called before the request is put. If the key was bound to the same
	// request before, known is true and first has its first time of acceptance.
	Reserve(ctx context.Context, request payment.Request) (first payment.Request, known bool, err error)
}

// putOnce is put for a request that may carry a key. The key is bound before the
// request is stored, so a crash between the two leaves a key that still knows
// what it was for. What is repeated is put again: that is idempotent, and stores
// what such a crash has left out.
func (h *Handler) putOnce(r *http.Request, request payment.Request) (payment.Receipt, error) {
	values, given := r.Header[keyHeader]
	if !given || h.cfg.Reserver == nil {
		return h.put(r.Context(), request)
	}
	key, err := parseKey(values)
	if err != nil {
		return payment.Receipt{}, err
	}
	request.KeyHash = h.key.HashIdempotencyKey(request.Tenant, key)
	if _, busy := h.busy.LoadOrStore(request.KeyHash, nil); busy {
		return payment.Receipt{}, &payment.Error{
			Code:       payment.CodeKeyInUse,
			Detail:     "the first request with this idempotency key is still under way; send it again later",
			RetryAfter: keyRetryAfter,
		}
	}
	defer h.busy.Delete(request.KeyHash)
	first, known, err := h.cfg.Reserver.Reserve(r.Context(), request)
	if err != nil {
		return payment.Receipt{}, fmt.Errorf("reserve the idempotency key: %w", err)
	}
	fault.At(fault.IngestBound)
	receipt, err := h.put(r.Context(), first)
	receipt.Duplicate = receipt.Duplicate || known // also when the buffer has forgotten the first
	return receipt, err
}

// parseKey reads the key from the header's values: a String of RFC 9651, section
// 3.3.3, as the draft has it, or the bare characters, as most clients send it.
// Both are the same key. The error repeats nothing of it.
func parseKey(values []string) (string, error) {
	if len(values) != 1 {
		return "", badKey("there is more than one Idempotency-Key")
	}
	key := values[0]
	if rest, quoted := strings.CutPrefix(key, `"`); quoted {
		var err error
		if key, err = unquoteKey(rest); err != nil {
			return "", err
		}
	}
	return key, payment.CheckIdempotencyKey(key)
}

// unquoteKey reads a String after its first quotation mark.
func unquoteKey(rest string) (string, error) {
	var key strings.Builder
	for i := 0; i < len(rest); i++ {
		switch b := rest[i]; {
		case b == '"' && i+1 < len(rest):
			return "", badKey("the Idempotency-Key goes on after its closing quotation mark")
		case b == '"':
			return key.String(), nil
		case b != '\\':
			key.WriteByte(b)
		case i+1 < len(rest) && (rest[i+1] == '"' || rest[i+1] == '\\'):
			i++
			key.WriteByte(rest[i])
		default:
			return "", badKey(`in a quoted Idempotency-Key a backslash stands only before \ or "`)
		}
	}
	return "", badKey("the Idempotency-Key has no closing quotation mark")
}

func badKey(detail string) error {
	return &payment.Error{Code: payment.CodeKeyInvalid, Detail: detail}
}
