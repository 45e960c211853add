package simulator

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/paybuf/paybuf/payment"
)

const (
	bodyBytesMax = 64 << 10
	// textBytesMax limits a reference and a key, which are kept.
	textBytesMax = 255
)

// handler speaks the generic HTTP contract for an Engine.
type handler struct {
	engine   *Engine
	requests atomic.Uint64 // numbers the Request-Id
}

// Handler gives the payer's HTTP side: POST /charges, GET /charges?reference=,
// POST /voids?reference=, GET /statement?from=&to=, GET /ledger (a Summary) and
// GET /healthz. Its server must speak HTTP/1.1:
// a reset takes the connection away from it.
func (e *Engine) Handler() http.Handler {
	h := &handler{engine: e}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /charges", h.charge)
	mux.HandleFunc("GET /charges", h.lookup)
	mux.HandleFunc("GET /statement", h.statement)
	mux.HandleFunc("POST /voids", h.void)
	mux.HandleFunc("GET /ledger", h.ledger)
	mux.HandleFunc("GET /healthz", h.healthz)
	return mux
}

// NewServer gives a server for Handler with limits on everything but the time of
// an answer, which is the faults' business. The caller sets Addr.
func (e *Engine) NewServer() *http.Server {
	return &http.Server{
		Handler:           e.Handler(),
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       30 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    16 << 10,
	}
}

func (h *handler) charge(w http.ResponseWriter, r *http.Request) {
	o, err := readOrder(w, r)
	if err != nil {
		h.refuse(w, http.StatusBadRequest, "invalid_request", err.Error())
		return
	}
	answer := h.engine.send(r.Context(), o)
	if answer.kind != replyCharge {
		h.other(w, o.reference, answer)
		return
	}
	code := http.StatusCreated
	if answer.replayed {
		w.Header().Set("Idempotent-Replayed", "true")
		code = http.StatusOK
	}
	if answer.status == declined {
		code = http.StatusPaymentRequired
	}
	h.write(w, code, newChargeObject(answer))
}

func (h *handler) lookup(w http.ResponseWriter, r *http.Request) {
	reference, named := h.reference(w, r)
	if !named {
		return
	}
	answer := h.engine.find(r.Context(), reference)
	if answer.kind != replyCharge {
		h.other(w, reference, answer)
		return
	}
	h.write(w, http.StatusOK, newChargeObject(answer))
}

func (h *handler) void(w http.ResponseWriter, r *http.Request) {
	reference, named := h.reference(w, r)
	if !named {
		return
	}
	switch answer := h.engine.void(reference); answer.kind {
	case replyVoided:
		h.write(w, http.StatusOK, voidObject{Reference: reference, Status: voided})
	case replySettled:
		h.write(w, http.StatusConflict, newChargeObject(answer))
	default:
		h.other(w, reference, answer)
	}
}

// reference reads what is asked about, or refuses.
func (h *handler) reference(w http.ResponseWriter, r *http.Request) (string, bool) {
	reference := r.URL.Query().Get("reference")
	if reference == "" || len(reference) > textBytesMax {
		h.refuse(w, http.StatusBadRequest, "invalid_request", "reference is missing or too long")
		return "", false
	}
	return reference, true
}

func (h *handler) ledger(w http.ResponseWriter, _ *http.Request) {
	h.write(w, http.StatusOK, h.engine.Summary())
}

func (h *handler) healthz(w http.ResponseWriter, _ *http.Request) {
	h.write(w, http.StatusOK, struct {
		Status string `json:"status"`
	}{"ok"})
}

// other tells a reply that is not a charge.
func (h *handler) other(w http.ResponseWriter, reference string, answer reply) {
	switch answer.kind {
	case replyUnavailable:
		h.later(w, http.StatusServiceUnavailable, "unavailable")
	case replyRateLimited:
		h.later(w, http.StatusTooManyRequests, "rate_limited")
	case replyReset:
		hangUp(w, true)
	case replyHung:
		hangUp(w, false)
	case replyGarbage:
		w.Header().Set("Content-Type", "text/html")
		h.start(w, http.StatusOK)
		_, _ = io.WriteString(w, "<html><body>It works!</bod") // the client may have left
	case replyInProgress:
		h.refuse(w, http.StatusConflict, "key_in_progress", "the same key is being worked on")
	case replyKeyReused:
		h.refuse(w, http.StatusUnprocessableEntity, "key_reused", "the key was used for another request")
	case replyNotFound:
		h.write(w, http.StatusNotFound, problem{Error: "not_found", Message: "no such charge", Reference: reference})
	case replyNoLookup:
		h.refuse(w, http.StatusNotImplemented, "no_lookup", "this payer cannot be asked")
	case replyNoVoid:
		h.refuse(w, http.StatusNotImplemented, "no_void", "this payer takes nothing back")
	case replyError, replyClosed, replyCharge, replyVoided, replySettled:
		h.refuse(w, http.StatusInternalServerError, "internal_error", "something went wrong")
	}
}

func (h *handler) later(w http.ResponseWriter, code int, name string) {
	seconds := int64(h.engine.opts.Faults.retryAfter() / time.Second)
	w.Header().Set("Retry-After", strconv.FormatInt(seconds, 10))
	h.refuse(w, code, name, "try again later; nothing was charged")
}

func (h *handler) refuse(w http.ResponseWriter, code int, name, message string) {
	h.write(w, code, problem{Error: name, Message: message})
}

func (h *handler) write(w http.ResponseWriter, code int, body any) {
	text, err := json.Marshal(body, json.Deterministic(true))
	if err != nil {
		hangUp(w, false) // cannot be: the bodies are our own structs
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(text)))
	h.start(w, code)
	_, _ = w.Write(text) //nolint:gosec // JSON, and called so; the client may have left
}

func (h *handler) start(w http.ResponseWriter, code int) {
	w.Header().Set("Request-Id", "req_"+strconv.FormatUint(h.requests.Add(1), 10))
	w.WriteHeader(code)
}

// hangUp takes the connection from the server and ends it without an answer;
// with a reset, the client's kernel even forgets what it had.
func hangUp(w http.ResponseWriter, reset bool) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler) // the server closes the connection and logs nothing
	}
	if tcp, isTCP := conn.(*net.TCPConn); isTCP && reset {
		_ = tcp.SetLinger(0) // it closes either way
	}
	_ = conn.Close() // there is nobody to tell
}

func readOrder(w http.ResponseWriter, r *http.Request) (order, error) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, bodyBytesMax))
	if err != nil {
		return order{}, errors.New("the body cannot be read or is too large")
	}
	var wire chargeRequest
	if err := json.Unmarshal(body, &wire); err != nil {
		return order{}, errors.New("the body is not the JSON that it should be")
	}
	money, err := payment.NewMoney(wire.Amount, wire.Currency)
	if err != nil {
		return order{}, fmt.Errorf("amount or currency: %w", err)
	}
	key := r.Header.Get("Idempotency-Key")
	if wire.Reference == "" || len(wire.Reference) > textBytesMax || len(key) > textBytesMax {
		return order{}, errors.New("reference is missing, or it or the key is too long")
	}
	return wire.order(key, money), nil
}
