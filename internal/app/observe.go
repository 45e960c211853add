package app

import (
	"bufio"
	"crypto/rand"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"runtime/debug"
	"strconv"
	"time"

	"github.com/go-chi/chi/v5"

	"github.com/paybuf/paybuf/internal/prefer"
	"github.com/paybuf/paybuf/internal/problem"
	"github.com/paybuf/paybuf/payment"
)

// observe gives each request an id, counts it and writes its one log line. A
// body, a header and a query are never logged: they may hold secrets.
func (a *App) observe(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		started := time.Now()
		id := "req_" + rand.Text()[:16]
		w.Header().Set(problem.RequestIDHeader, id)
		rec := &recorder{ResponseWriter: w, code: http.StatusOK}
		defer func() {
			broken, begun := recover(), rec.wrote || rec.taken
			if broken != nil {
				a.log.Error("panic", slog.String("request_id", id),
					slog.Any("value", broken), slog.String("stack", string(debug.Stack())))
			}
			if broken != nil && !begun {
				problem.Write(rec, r, &payment.Error{Code: payment.CodeInternal, Detail: "internal error"})
			}
			if !rec.taken {
				a.finish(r, rec, id, time.Since(started)-rec.waited)
			}
			if broken != nil && begun {
				panic(http.ErrAbortHandler) // so that half an answer does not look like a whole one
			}
		}()
		next.ServeHTTP(rec, r)
	})
}

func (a *App) finish(r *http.Request, rec *recorder, id string, took time.Duration) {
	route := "none"
	if pattern := chi.RouteContext(r.Context()).RoutePattern(); pattern != "" {
		route = pattern
	}
	a.metrics.requests.WithLabelValues(route, method(r), strconv.Itoa(rec.code)).Observe(took.Seconds())
	level := slog.LevelDebug
	if rec.code >= http.StatusInternalServerError {
		level = slog.LevelWarn
	}
	if !a.log.Enabled(r.Context(), level) {
		return // before its line is made up
	}
	a.log.LogAttrs(r.Context(), level, "request",
		slog.String("request_id", id),
		slog.String("method", method(r)),
		slog.String("route", route),
		slog.Int("status", rec.code),
		slog.Duration("took", took),
		slog.Any("error", withoutFields(rec.err)),
	)
}

// withoutFields leaves out what is wrong with each field of a request: that
// repeats names which the client gave, and a client may take a secret for a name.
func withoutFields(err error) error {
	coded, ok := errors.AsType[*payment.Error](err)
	if !ok || len(coded.Fields) == 0 {
		return err
	}
	brief := *coded
	brief.Fields = nil
	return &brief
}

// method keeps a client from inventing label values.
func method(r *http.Request) string {
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete:
		return r.Method
	}
	return "other"
}

// recorder remembers what was answered, and the error behind a problem.
type recorder struct {
	http.ResponseWriter
	code  int
	wrote bool
	err   error

	waited time.Duration // because the client wished so
	taken  bool          // the connection was, so that this is not where its request is answered
}

func (rec *recorder) WriteHeader(code int) {
	if !rec.wrote {
		rec.code, rec.wrote = code, true
	}
	rec.ResponseWriter.WriteHeader(code)
}

func (rec *recorder) Write(data []byte) (int, error) {
	rec.wrote = true
	return rec.ResponseWriter.Write(data) //nolint:wrapcheck // a pass-through
}

// Hijack is for http.ResponseController.
func (rec *recorder) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, buffered, err := http.NewResponseController(rec.ResponseWriter).Hijack()
	rec.taken = err == nil
	return conn, buffered, err //nolint:wrapcheck // a pass-through
}

// Unwrap is for http.ResponseController.
func (rec *recorder) Unwrap() http.ResponseWriter { return rec.ResponseWriter }

// ObserveError implements problem.Observer.
func (rec *recorder) ObserveError(err error) { rec.err = err }

// ObserveWait implements prefer.Observer.
func (rec *recorder) ObserveWait(waited time.Duration) { rec.waited += waited }

var (
	_ problem.Observer = (*recorder)(nil)
	_ prefer.Observer  = (*recorder)(nil)
)
