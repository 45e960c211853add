package app

import (
	"context"
	"net/http"
	"slices"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"
	"github.com/go-json-experiment/json"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/paybuf/paybuf/ingest"
	"github.com/paybuf/paybuf/internal/problem"
	"github.com/paybuf/paybuf/payment"
	"github.com/paybuf/paybuf/status"
	"github.com/paybuf/paybuf/status/cancel"
	"github.com/paybuf/paybuf/status/endpoint"
)

// readyTimeout bounds what a probe waits for each dependency.
const readyTimeout = 2 * time.Second

func (a *App) clientRoutes() http.Handler {
	r := chi.NewRouter()
	r.Use(a.observe)
	r.NotFound(problem.NotFound)
	r.MethodNotAllowed(problem.MethodNotAllowed)
	if a.opts.has(RoleIngest) {
		cfg := ingest.Config{PublicURL: a.opts.PublicURL, Reserver: a.buffer, Backlog: a.buffer, Queue: a.buffer, CountItems: a.metrics.countItems}
		if a.db != nil { // a repetition then gets the outcome, if there is one
			cfg.Outcomes, cfg.Waiting = a.db, a.hub
		}
		ingest.New(a.buffer, a.guard, a.idKey, cfg).Routes(r)
		ingest.NewBatch(a.buffer, a.guard, a.idKey, cfg).Routes(r)
		ingest.NewTokens(a.guard, a.idKey, cfg).Routes(r)
	}
	if a.opts.has(RoleStatus) {
		cfg := status.Config{PublicURL: a.opts.PublicURL, Waiting: a.hub, Parking: a.lot, Queue: a.buffer, Finals: a.finals}
		payments := status.New(newStatusReader(a.db), a.buffer, a.guard, a.idKey, cfg)
		payments.Routes(r)
		status.NewEvents(payments, a.db, status.EventsConfig{Stopping: a.closing, Alarm: a.hub}).Routes(r)
		status.NewBatches(a.db, a.buffer, a.guard, a.idKey, cfg).Routes(r)
		cancel.New(a.db, a.buffer, a.guard, a.idKey, cancel.Config{PublicURL: a.opts.PublicURL}).Routes(r)
		endpoint.New(a.db, a.db, a.db, a.guard, endpoint.Config{
			CheckURL: a.opts.Webhook.Targets.CheckURL, Keys: a.opts.WebhookKeys, PublicURL: a.opts.PublicURL,
		}).Routes(r)
	}
	return r
}

func (a *App) operatorRoutes() http.Handler {
	r := chi.NewRouter()
	r.NotFound(problem.NotFound)
	r.MethodNotAllowed(problem.MethodNotAllowed)
	r.Get("/healthz", func(w http.ResponseWriter, _ *http.Request) {
		writeStatus(w, http.StatusOK, map[string]string{"status": "ok"})
	})
	r.Get("/readyz", a.ready)
	r.Mount("/debug", middleware.Profiler()) // /debug/pprof: where the time goes
	r.Method(http.MethodGet, "/metrics", promhttp.HandlerFor(a.metrics.registry, promhttp.HandlerOpts{}))
	return r
}

// ready answers whether this process can do its work: for all its roles, or for
// one with ?role=. So a Postgres that is down need not take intake out of the
// load balancer.
func (a *App) ready(w http.ResponseWriter, r *http.Request) {
	role := Role(r.URL.Query().Get("role"))
	if role != "" && !a.opts.has(role) {
		problem.Write(w, r, &payment.Error{Code: payment.CodeNotFound, Detail: "this process does not have that role"})
		return
	}
	code, body := http.StatusOK, map[string]string{}
	for _, check := range a.checks() {
		if role != "" && !slices.Contains(check.roles, role) {
			continue
		}
		ctx, done := context.WithTimeout(r.Context(), readyTimeout)
		err := check.run(ctx)
		done()
		body[check.name] = "ok"
		if err != nil {
			code = http.StatusServiceUnavailable
			body[check.name] = err.Error() // operators only: cause and remedy
		}
	}
	if a.processor != nil && (role == "" || role == RoleProcessor) {
		body["payer"] = payerStatus(a.processor.PayerStats())
	}
	writeStatus(w, code, body)
}

type check struct {
	name  string
	roles []Role
	run   func(context.Context) error
}

func (a *App) checks() []check {
	checks := []check{
		{"buffer", Roles(), a.buffer.Ping},
		{"store", []Role{RoleIngest}, a.buffer.Writable},
		{"api_keys", []Role{RoleIngest, RoleStatus}, func(context.Context) error {
			if !a.buffer.Keys().Ready() {
				return &payment.Error{Code: payment.CodeUnavailable, Detail: "the API keys are not loaded yet"}
			}
			return nil
		}},
	}
	if a.db != nil {
		checks = append(checks,
			check{"postgres", []Role{RoleProcessor, RoleStatus, RoleWebhook}, a.db.Ping},
			check{"schema", []Role{RoleProcessor, RoleStatus, RoleWebhook}, a.db.CheckSchema})
	}
	return checks
}

func writeStatus(w http.ResponseWriter, code int, body map[string]string) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(code)
	_ = json.MarshalWrite(w, body, json.Deterministic(true)) // the prober has gone: nobody to tell
}
