package app_test

import (
	"context"
	"net"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/paybuf/paybuf/buffer"
	"github.com/paybuf/paybuf/internal/app"
	"github.com/paybuf/paybuf/internal/local"
	"github.com/paybuf/paybuf/internal/local/localtest"
	"github.com/paybuf/paybuf/payment"
	"github.com/paybuf/paybuf/processor"
	"github.com/paybuf/paybuf/processor/payer/httppayer"
)

const (
	waitMax  = 30 * time.Second // for what must happen
	waitStep = 10 * time.Millisecond
	stopMax  = 20 * time.Second
	anyPort  = "127.0.0.1:0"
)

// installation is what all processes of one Paybuf share.
type installation struct {
	t        *testing.T
	broker   *broker
	postgres string // URL of a schema of its own
	payer    *payer
	secrets  app.Secrets
	hookKeys string // that webhooks' secrets are sealed with
	logs     *logs
}

// install makes an installation with a payer that behaves well.
func install(t *testing.T) *installation {
	t.Helper()
	return installOn(t, localtest.Postgres(t), newPayer(t))
}

func installOn(t *testing.T, postgresURL string, payer *payer) *installation {
	t.Helper()
	if _, err := app.Migrate(t.Context(), postgresURL); err != nil {
		t.Fatal(err)
	}
	return &installation{
		t: t, broker: newBroker(t), postgres: postgresURL, payer: payer,
		secrets: app.NewSecrets(), hookKeys: drawWebhookKey(t, "test"), logs: newLogs(t),
	}
}

// options are quick to try again, so that outages end soon after their cause.
func (in *installation) options(roles ...app.Role) app.Options {
	in.t.Helper()
	opts := app.Options{
		Roles: roles, Listen: anyPort, OperatorListen: anyPort,
		Buffer:      buffer.Config{URL: in.broker.url, JournalDir: in.t.TempDir()},
		PostgresURL: in.postgres,
		PayerURL:    in.payer.url(),
		Payer:       httppayer.Config{Traits: &payment.Traits{KeyWindow: time.Hour, CanLookup: true}},
		Processor: processor.Config{
			PayTimeout: 2 * time.Second, RetryBase: 50 * time.Millisecond, RetryMax: 400 * time.Millisecond,
			DuePoll: 50 * time.Millisecond, BreakerDelay: 200 * time.Millisecond,
		},
		Secrets: in.secrets,
		Logger:  in.logs.logger(),
	}
	if err := opts.SetWebhookKeys(in.hookKeys); err != nil {
		in.t.Fatal(err)
	}
	return opts
}

// start starts a process with the roles, all if none are given, and waits until
// it is ready. It is stopped at the end of the test.
func (in *installation) start(roles ...app.Role) *process {
	in.t.Helper()
	if len(roles) == 0 {
		roles = app.Roles()
	}
	p := in.startWith(in.options(roles...))
	p.awaitReady("")
	return p
}

func (in *installation) startWith(opts app.Options) *process {
	in.t.Helper()
	a, err := app.New(opts)
	if err != nil {
		in.t.Fatal(err)
	}
	if err := a.Start(in.t.Context()); err != nil {
		in.t.Fatal(err)
	}
	p := &process{t: in.t, app: a}
	in.t.Cleanup(p.stop)
	return p
}

// startError gives the error of a start that must fail.
func (in *installation) startError(opts app.Options) error {
	in.t.Helper()
	a, err := app.New(opts)
	if err != nil {
		return err
	}
	err = a.Start(in.t.Context())
	if err == nil {
		a.Stop(in.t.Context())
		in.t.Fatal("it started")
	}
	return err
}

// admin changes the installation as the commands do. With NATS, intake learns of
// a key at once.
func (in *installation) admin(withNATS bool) *app.Admin {
	in.t.Helper()
	opts := app.AdminOptions{PostgresURL: in.postgres, Secrets: in.secrets}
	if withNATS {
		opts.Buffer.URL = in.broker.url
	}
	admin, err := app.OpenAdmin(in.t.Context(), opts)
	if err != nil {
		in.t.Fatal(err)
	}
	in.t.Cleanup(admin.Close)
	return admin
}

// newKey makes a key for a tenant, and the tenant too if there is none.
func (in *installation) newKey(tenant string) string {
	in.t.Helper()
	admin := in.admin(true)
	tenants, err := admin.Tenants(in.t.Context())
	if err != nil {
		in.t.Fatal(err)
	}
	known := false
	for _, existing := range tenants {
		known = known || string(existing.ID) == tenant
	}
	if !known {
		if _, err := admin.CreateTenant(in.t.Context(), tenant, tenant); err != nil {
			in.t.Fatal(err)
		}
	}
	plaintext, _, err := admin.CreateKey(in.t.Context(), tenant, "test")
	if err != nil {
		in.t.Fatal(err)
	}
	return plaintext
}

// count reads one number from the ledger, past everything of ours.
func (in *installation) count(sql string) string {
	in.t.Helper()
	return strings.Join(localtest.Query(in.t, in.postgres, sql), " ")
}

// process is a running App.
type process struct {
	t       *testing.T
	app     *app.App
	stopped bool
}

func (p *process) stop() {
	if p.stopped {
		return
	}
	p.stopped = true
	ctx, cancel := context.WithTimeout(context.Background(), stopMax)
	defer cancel()
	p.app.Stop(ctx)
}

// awaitReady waits until readiness, of one role or of all with "", is 200.
func (p *process) awaitReady(role app.Role) {
	p.t.Helper()
	eventually(p.t, "ready "+string(role), func() bool { return p.ready(role) == http.StatusOK })
}

func (p *process) ready(role app.Role) int {
	p.t.Helper()
	operator := newCaller(p.t, p.app.OperatorURL(), "")
	return operator.get("/readyz?role=" + string(role)).status
}

// broker is a NATS server that can be taken down and up again.
type broker struct {
	t      *testing.T
	dir    string
	url    string
	server *local.NATS
}

func newBroker(t *testing.T) *broker {
	t.Helper()
	b := &broker{t: t, dir: filepath.Join(t.TempDir(), "nats")}
	b.listen(anyPort)
	b.url = b.server.ClientURL()
	t.Cleanup(b.stop)
	return b
}

func (b *broker) listen(address string) {
	b.t.Helper()
	server, err := local.StartNATS(b.t.Context(), local.NATSConfig{Dir: b.dir, Listen: address, Logger: discard})
	if err != nil {
		b.t.Fatal(err)
	}
	b.server = server
}

func (b *broker) start() {
	b.t.Helper()
	b.listen(hostOf(b.t, b.url))
}

func (b *broker) stop() {
	if b.server != nil {
		b.server.Stop()
		b.server = nil
	}
}

// publish puts a message on the stream without any of our code, by NATS' own
// protocol.
func (b *broker) publish(subject string, body []byte) {
	b.t.Helper()
	conn, err := net.Dial("tcp", hostOf(b.t, b.url))
	if err != nil {
		b.t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(waitMax))
	message := "CONNECT {\"verbose\":false}\r\nPUB " + subject + " " + itoa(len(body)) + "\r\n" + string(body) + "\r\nPING\r\n"
	if _, err := conn.Write([]byte(message)); err != nil {
		b.t.Fatal(err)
	}
	var said strings.Builder
	for buf := make([]byte, 4096); !strings.Contains(said.String(), "PONG"); {
		n, err := conn.Read(buf)
		if err != nil {
			b.t.Fatalf("NATS said %q: %v", said.String(), err)
		}
		said.Write(buf[:n])
	}
	if strings.Contains(said.String(), "-ERR") {
		b.t.Fatalf("NATS said %q", said.String())
	}
}

func hostOf(t *testing.T, text string) string {
	t.Helper()
	parsed, err := url.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return parsed.Host
}

// eventually waits until something holds.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	if !within(waitMax, holds) {
		t.Fatalf("not within %s: %s", waitMax, what)
	}
}

// within tells whether something comes to hold in a time.
func within(limit time.Duration, holds func() bool) bool {
	deadline := time.Now().Add(limit)
	for !holds() {
		if time.Now().After(deadline) {
			return false
		}
		<-time.After(waitStep)
	}
	return true
}
