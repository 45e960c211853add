package app_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/paybuf/paybuf/internal/app"
	"github.com/paybuf/paybuf/payment"
)

// consumer is a tenant's server that verifies what it gets, and keeps it.
type consumer struct {
	t      *testing.T
	server *httptest.Server

	mu       sync.Mutex
	hook     *standardwebhooks.Webhook
	versions map[payment.ID][]int64 // in the order of their first coming
	finals   map[payment.ID]payment.State
	known    map[string]string // body by webhook-id
	refuse   func(id string) int
}

// shownEvent is what a test reads of a webhook's body.
type shownEvent struct {
	ID        string     `json:"id"`
	PaymentID payment.ID `json:"payment_id"`
	Version   int64      `json:"version"`
	Data      struct {
		State     payment.State `json:"state"`
		Final     bool          `json:"final"`
		StatusURL string        `json:"status_url"`
	} `json:"data"`
}

func newConsumer(t *testing.T) *consumer {
	t.Helper()
	c := &consumer{
		t: t, versions: map[payment.ID][]int64{}, finals: map[payment.ID]payment.State{}, known: map[string]string{},
		refuse: func(string) int { return 0 },
	}
	c.server = httptest.NewServer(http.HandlerFunc(c.take))
	t.Cleanup(c.server.Close)
	return c
}

func (c *consumer) take(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	c.mu.Lock()
	defer c.mu.Unlock()
	if err == nil {
		err = c.hook.Verify(body, r.Header)
	}
	var event shownEvent
	if err == nil {
		err = json.Unmarshal(body, &event)
	}
	id := r.Header.Get("webhook-id")
	if err != nil || id != event.ID {
		c.t.Errorf("a webhook %s (%s) cannot be trusted: %v", id, body, err)
	}
	if status := c.refuse(id); status != 0 {
		w.WriteHeader(status)
		return
	}
	if before, repeated := c.known[id]; repeated {
		if before != string(body) {
			c.t.Errorf("%s came with another body", id)
		}
		return
	}
	c.known[id] = string(body)
	c.versions[event.PaymentID] = append(c.versions[event.PaymentID], event.Version)
	if event.Data.Final {
		c.finals[event.PaymentID] = event.Data.State
	}
}

// heardOfAll waits for the final state of each payment, and checks the order.
func (c *consumer) heardOfAll(due map[payment.ID]int64) {
	c.t.Helper()
	eventually(c.t, "every final state was delivered", func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		return len(c.finals) >= len(due)
	})
	c.mu.Lock()
	defer c.mu.Unlock()
	for id := range due {
		if c.finals[id] != payment.Succeeded {
			c.t.Errorf("%s is %q by its webhooks", id, c.finals[id])
		}
		for i, version := range c.versions[id] {
			if version != int64(i+1) {
				c.t.Errorf("%s came in the order %v", id, c.versions[id])
				break
			}
		}
	}
}

// senders are options of a process that sends, to this machine too.
func (in *installation) senders(key string, roles ...app.Role) app.Options {
	in.t.Helper()
	opts := in.options(roles...)
	if err := opts.SetWebhookKeys(key); err != nil {
		in.t.Fatal(err)
	}
	opts.PublicURL = "https://pay.example"
	opts.Webhook.Targets.Insecure = true
	return opts
}

// listen registers a consumer as an endpoint of the caller's tenant.
func (c *caller) listen(to *consumer) payment.ID {
	c.t.Helper()
	to.mu.Lock()
	defer to.mu.Unlock()
	id, secret := c.register(to.server.URL + "/hook")
	var err error
	if to.hook, err = standardwebhooks.NewWebhook(secret); err != nil {
		c.t.Fatal(err)
	}
	return id
}

func TestWebhooks_everyFinalStateIsDeliveredSignedAndInOrder(t *testing.T) {
	t.Parallel()
	in := install(t)
	opts := in.senders(drawWebhookKey(t, "one"), app.Roles()...)
	opts.Webhook.Schedule = []time.Duration{0, 300 * time.Millisecond, time.Minute}
	p := in.startWith(opts)
	p.awaitReady("")
	equal(t, "readiness of the role webhook", p.ready(app.RoleWebhook), http.StatusOK)
	c, consumer := in.client(p, "acme"), newConsumer(t)
	refused := map[string]bool{}
	consumer.refuse = func(id string) int { // the first of some is answered 500
		if !refused[id] && strings.HasSuffix(id, "7") {
			refused[id] = true
			return http.StatusInternalServerError
		}
		return 0
	}
	c.listen(consumer)
	due := c.acceptMany("A-", 100)
	consumer.heardOfAll(due)
	for id, body := range consumer.known {
		if !strings.Contains(body, `"status_url":"https://pay.example/v1/payments/pay_`) {
			t.Errorf("%s names no status URL of ours: %s", id, body)
		}
	}
	eventually(t, "all is on record", func() bool {
		return in.count("SELECT count(*) FROM webhook_deliveries WHERE state <> 'delivered'") == "0"
	})
	if tries := in.count("SELECT count(*) FROM webhook_attempts WHERE http_status = 500"); tries == "0" {
		t.Error("no refusal is on record")
	}
}

// Senders come and go; what one leaves the next sends.
func TestWebhooks_whoeverSendsNothingIsLostOrOutOfOrder(t *testing.T) {
	t.Parallel()
	in := install(t)
	key := drawWebhookKey(t, "one")
	front := in.startWith(in.senders(key, app.RoleIngest, app.RoleProcessor, app.RoleStatus))
	front.awaitReady("")
	c, consumer := in.client(front, "acme"), newConsumer(t)
	c.listen(consumer)
	due := c.acceptMany("A-", 150)
	for range 3 {
		p := in.startWith(in.senders(key, app.RoleWebhook))
		before := consumer.count()
		eventually(t, "some are delivered", func() bool { return consumer.count() > before || consumer.count() >= 2*len(due) })
		p.stop()
	}
	in.startWith(in.senders(key, app.RoleWebhook))
	in.startWith(in.senders(key, app.RoleWebhook))
	consumer.heardOfAll(due)
}

func (c *consumer) count() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.known)
}

func TestNew_theRoleWebhookSaysWhatItLacks(t *testing.T) {
	t.Parallel()
	in := install(t)
	opts := in.senders("", app.RoleWebhook)
	wantConfig := func(says string) {
		t.Helper()
		_, err := app.New(opts)
		if code, detail := payment.CodeOf(err); code != payment.CodeConfig || !strings.Contains(detail, says) {
			t.Errorf("%s: %q, want %q", code, detail, says)
		}
	}
	wantConfig("PAYBUF_WEBHOOK_KEYS")
	opts = in.senders(drawWebhookKey(t, "one"), app.RoleWebhook)
	opts.PublicURL = ""
	wantConfig("--public-url")
	opts.PublicURL, opts.Webhook.Schedule = "https://pay.example", []time.Duration{time.Second}
	wantConfig("schedule")
	opts.PostgresURL = ""
	wantConfig("--postgres")
}
