package app_test

import (
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/paybuf/paybuf/internal/app"
	"github.com/paybuf/paybuf/internal/local"
	"github.com/paybuf/paybuf/internal/local/localtest"
	"github.com/paybuf/paybuf/payment"
)

// cluster is a Postgres of the test's own, to be taken down and up again.
type cluster struct {
	t       *testing.T
	dir     string
	running *local.Postgres
}

func newCluster(t *testing.T) *cluster {
	t.Helper()
	c := &cluster{t: t, dir: localtest.Dir(t)}
	c.start()
	t.Cleanup(c.stop)
	return c
}

func (c *cluster) start() {
	c.t.Helper()
	running, err := local.StartPostgres(c.t.Context(), local.PostgresConfig{
		Dir: c.dir, Fast: true, StopWithParent: true, Logger: discard,
	})
	if err != nil {
		c.t.Fatal(err)
	}
	c.running = running
}

func (c *cluster) stop() {
	if c.running == nil {
		return
	}
	if err := c.running.Stop(c.t.Context()); err != nil && c.t.Context().Err() == nil {
		c.t.Error(err)
	}
	c.running = nil
}

func TestOutage_postgresDownIsAcceptedAndPaidOnceLater(t *testing.T) {
	t.Parallel()
	database := newCluster(t)
	url := database.running.URL()
	in := installOn(t, url, newPayer(t))
	p := in.start()
	c := in.client(p, "acme")
	due := c.acceptMany("before-", 20)

	database.stop()
	for id, minor := range c.acceptMany("during-", 50) {
		due[id] = minor
	}
	again := c.post(order("during-0", 100))
	equal(t, "a repetition meanwhile", again.status, http.StatusAccepted)
	equal(t, "it is known to be one", again.shown.Duplicate, true)
	equal(t, "readiness for ingest", p.ready(app.RoleIngest), http.StatusOK)
	equal(t, "readiness for status", p.ready(app.RoleStatus), http.StatusServiceUnavailable)
	equal(t, "readiness", p.ready(""), http.StatusServiceUnavailable)
	asked := c.get("/v1/payments/" + string(again.shown.ID))
	equal(t, "a question meanwhile", asked.status, http.StatusServiceUnavailable)
	equal(t, "Retry-After is missing", asked.header.Get("Retry-After") == "", false)

	database.start()
	if again := database.running.URL(); again != url {
		t.Fatalf("Postgres was at %s and is now at %s", url, again)
	}
	p.awaitReady("")
	c.awaitSucceeded(due)
	in.payer.wantOnce(due)
}

// A process that starts while Postgres is away must not stay without it.
func TestOutage_postgresDownAtTheStartIsNoReasonToGiveUp(t *testing.T) {
	t.Parallel()
	database := newCluster(t)
	in := installOn(t, database.running.URL(), newPayer(t))
	key := in.newKey("acme")
	database.stop()

	p := in.startWith(in.options(app.Roles()...))
	p.awaitReady(app.RoleIngest)
	c := newCaller(t, p.app.URL(), key)
	due := c.acceptMany("A-", 10)
	database.start()
	c.awaitSucceeded(due)
	in.payer.wantOnce(due)
}

func TestOutage_payerDownLeavesABacklogThatIsPaidOnce(t *testing.T) {
	t.Parallel()
	const n = 400
	in := install(t)
	opts := in.options(app.Roles()...)
	opts.Processor.Concurrency = 8
	opts.Processor.BreakerDelay = 2 * time.Second // so that few are tried in vain
	p := in.startWith(opts)
	p.awaitReady("")
	c := in.client(p, "acme")
	in.payer.stop()

	due := c.acceptMany("A-", n)
	eventually(t, "some were tried", func() bool {
		return in.count("SELECT count(*) FROM payments WHERE state = 'retrying'") != "0"
	})
	// What was tried is certainly not charged; the rest waits in the buffer.
	if rows := atoi(in.count("SELECT count(*) FROM payments")); rows > n/2 {
		t.Errorf("%d of %d were claimed", rows, n)
	}
	equal(t, "payments that somebody must ask for",
		in.count("SELECT count(*) FROM payments WHERE state NOT IN ('paying', 'retrying')"), "0")
	var queued int
	for id := range due {
		got := c.get("/v1/payments/" + string(id))
		if got.status != http.StatusOK || got.shown.Final {
			t.Errorf("%s is answered %d %s", id, got.status, got.text)
		}
		if got.shown.State == payment.Queued {
			queued++
		}
	}
	if queued == 0 {
		t.Error("nothing waits in the buffer")
	}

	in.payer.start()
	c.awaitSucceeded(due)
	in.payer.wantOnce(due)
}

func TestOutage_natsDownIsRefusedAndNeverAccepted(t *testing.T) {
	t.Parallel()
	in := install(t)
	opts := in.options(app.Roles()...)
	opts.Buffer.PutTimeout = 500 * time.Millisecond
	p := in.startWith(opts)
	p.awaitReady("")
	c := in.client(p, "acme")
	paid := c.await(c.accept("before", 100).shown.ID)

	in.broker.stop()
	for i := range 5 {
		got := c.post(order("during-"+itoa(i), 100))
		equal(t, "a request meanwhile", got.status, http.StatusServiceUnavailable)
		if seconds, err := strconv.Atoi(got.header.Get("Retry-After")); err != nil || seconds < 1 {
			t.Errorf("Retry-After is %q", got.header.Get("Retry-After"))
		}
		if !strings.Contains(got.text, string(payment.CodeBufferUnavailable)) {
			t.Errorf("it is said: %s", got.text)
		}
	}
	equal(t, "what is known already", c.get(paid.shown.StatusURL).shown.State, payment.Succeeded)
	equal(t, "readiness for ingest", p.ready(app.RoleIngest), http.StatusServiceUnavailable)

	in.broker.start()
	p.awaitReady("")
	due := map[payment.ID]int64{paid.shown.ID: 100}
	for i := range 5 { // sent again, as they were told to
		due[c.accept("during-"+itoa(i), 100).shown.ID] = 100
	}
	c.awaitSucceeded(due)
	in.payer.wantOnce(due)
}

func TestPoison_goesToDeadLettersAndTheRestFlows(t *testing.T) {
	t.Parallel()
	in := install(t)
	c := in.client(in.start(), "acme")
	due := c.acceptMany("before-", 10)
	for _, poison := range []string{
		"\x00\xff not JSON", `{"v":99,"id":"pay_from_the_future"}`, `{"v":1}`, "",
		`{"v":1,"id":"pay_` + strings.Repeat("a", 26) + `","tenant":"acme","order_number":"A","amount":-5,` +
			`"currency":"EUR","payment_method":"tok"}`,
	} {
		in.broker.publish("paybuf.intake.0.poison", []byte(poison))
	}
	for id, minor := range c.acceptMany("after-", 10) {
		due[id] = minor
	}
	c.awaitSucceeded(due)
	admin := in.admin(false)
	eventually(t, "five dead letters", func() bool {
		totals, err := admin.Totals(t.Context())
		return err == nil && totals.DeadLetters == 5
	})
	equal(t, "the raw bytes are kept",
		in.count(`SELECT count(*) FROM dead_letters WHERE raw = '\x00ff206e6f74204a534f4e'`), "1")
	in.payer.wantOnce(due)
}
