package app_test

import (
	"net/http"
	"testing"

	"github.com/paybuf/paybuf/internal/app"
)

func TestRoles_ingestNeedsNoPostgres(t *testing.T) {
	t.Parallel()
	in := install(t)
	worker := in.start(app.RoleProcessor, app.RoleStatus)
	opts := in.options(app.RoleIngest)
	opts.PostgresURL, opts.PayerURL = "", ""
	door := in.startWith(opts)
	door.awaitReady("")

	key := in.newKey("acme")
	poster, reader := newCaller(t, door.app.URL(), key), newCaller(t, worker.app.URL(), key)
	eventually(t, "the key works", func() bool { return poster.post("not JSON").status == http.StatusBadRequest })
	due := poster.acceptMany("A-", 20)
	reader.awaitSucceeded(due)
	in.payer.wantOnce(due)
	equal(t, "a question to who only accepts", poster.get("/v1/payments?order_number=A-1").status, http.StatusMethodNotAllowed)
	equal(t, "a request to who only answers", reader.post(order("A-99", 100)).status, http.StatusMethodNotAllowed)
}

func TestRoles_processorServesNoClients(t *testing.T) {
	t.Parallel()
	in := install(t)
	worker := in.start(app.RoleProcessor)
	equal(t, "where clients are served", worker.app.URL(), "")
	equal(t, "readiness of the processor", worker.ready(app.RoleProcessor), http.StatusOK)
	equal(t, "readiness of a role it does not have", worker.ready(app.RoleIngest), http.StatusNotFound)
}

func TestRoles_severalProcessorsPayEachOnce(t *testing.T) {
	t.Parallel()
	in := install(t)
	c := in.client(in.start(app.RoleIngest, app.RoleStatus), "acme")
	for range 3 {
		in.start(app.RoleProcessor)
	}
	due := c.acceptMany("A-", 200)
	c.awaitSucceeded(due)
	in.payer.wantOnce(due)
}
