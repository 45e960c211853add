package app_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/paybuf/paybuf/internal/app"
	"github.com/paybuf/paybuf/internal/local/localtest"
	"github.com/paybuf/paybuf/processor/payer/simulator"
)

func TestPayer_thatIsDownIsShownAndLeavesTheProcessorReady(t *testing.T) {
	t.Parallel()
	in := install(t)
	opts := in.options(app.Roles()...)
	opts.Processor.BreakerDelay = time.Second
	p := in.startWith(opts)
	p.awaitReady("")
	c, operator := in.client(p, "acme"), newCaller(t, p.app.OperatorURL(), "")
	has := func(line string) bool { return strings.Contains(operator.get("/metrics").text, line) }
	ready := func() answer { return operator.get("/readyz?role=processor") }

	due := c.acceptMany("A-", 30)
	c.awaitSucceeded(due)
	equal(t, "a payer that works is ok", strings.Contains(ready().text, `"payer":"ok"`), true)
	for _, line := range []string{
		`paybuf_payer_breaker_state{state="closed"} 1`, `paybuf_payer_breaker_state{state="open"} 0`,
		"paybuf_payer_paused_seconds 0\n", "paybuf_payer_concurrency_limit 128\n",
		`paybuf_payer_latency_seconds{quantile="0.99"}`, "paybuf_processor_places ", "paybuf_processor_leases_short_total 0\n",
	} {
		equal(t, "metrics have "+line, has(line), true)
	}

	in.payer.stop()
	later := c.acceptMany("B-", 60)
	eventually(t, "the breaker is open", func() bool { return has(`paybuf_payer_breaker_state{state="open"} 1`) })
	got := ready()
	equal(t, "readiness", got.status, http.StatusOK)
	equal(t, "readiness tells: "+got.text, strings.Contains(got.text, `"payer":"paused for `), true)
	equal(t, "intake is not told", strings.Contains(operator.get("/readyz?role=ingest").text, "payer"), false)

	in.payer.start()
	c.awaitSucceeded(later)
	eventually(t, "calls go again", func() bool { return has("paybuf_payer_paused_seconds 0\n") })
}

func TestPayer_thatRefusesMoreThanItBearsIsCalledLess(t *testing.T) {
	t.Parallel()
	const bears = 8
	in := installOn(t, localtest.Postgres(t), newPayer(t, func(o *simulator.Options) {
		o.Capacity, o.RefuseOver, o.Latency = bears, true, 50*time.Millisecond
	}))
	c := in.client(in.start(app.RoleIngest, app.RoleStatus), "acme")
	due := c.acceptMany("A-", 300)
	p := in.start(app.RoleProcessor) // it finds a backlog, so that it calls as much as it may
	operator := newCaller(t, p.app.OperatorURL(), "")
	c.awaitSucceeded(due)
	in.payer.wantOnce(due)
	equal(t, "the limit is as before",
		strings.Contains(operator.get("/metrics").text, "paybuf_payer_concurrency_limit 128\n"), false)
	if sends := in.payer.sends(); sends > 3*int64(len(due)) {
		t.Errorf("%d calls for %d payments", sends, len(due))
	}
}
