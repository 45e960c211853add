package app_test

import (
	"context"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/paybuf/paybuf/buffer"
	"github.com/paybuf/paybuf/internal/app"
	"github.com/paybuf/paybuf/internal/local/localtest"
	"github.com/paybuf/paybuf/payment"
	"github.com/paybuf/paybuf/processor/payer/simulator"
)

// wantRefusal checks that an error is for an operator to act upon, and says how.
func wantRefusal(t *testing.T, what string, err error, text string) {
	t.Helper()
	code, detail := payment.CodeOf(err)
	if code != payment.CodeConfig || !strings.Contains(detail, text) {
		t.Errorf("%s: %s %q, want the code %s and %q (%v)", what, code, detail, payment.CodeConfig, text, err)
	}
}

func TestNew_refusesOptionsThatCannotWork(t *testing.T) {
	secrets := app.NewSecrets()
	for what, refused := range map[string]struct {
		change func(*app.Options)
		text   string
	}{
		"no roles":                    {func(o *app.Options) { o.Roles = nil }, "no roles"},
		"a processor without a payer": {func(o *app.Options) { o.PayerURL = "" }, "--payer"},
		"no Postgres":                 {func(o *app.Options) { o.PostgresURL = "" }, "--postgres"},
		"ingest without a journal":    {func(o *app.Options) { o.Buffer.JournalDir = "" }, "--journal-dir"},
		"no URL for clients":          {func(o *app.Options) { o.PublicURL = "pay.example" }, "--public-url"},
		"an address for clients":      {func(o *app.Options) { o.PublicURL = "10.0.0.1:8080" }, "--public-url"},
		"a password for clients":      {func(o *app.Options) { o.PublicURL = "https://u:p@pay.example" }, "--public-url"},
		"a query for clients":         {func(o *app.Options) { o.PublicURL = "https://pay.example/?a=1" }, "--public-url"},
		"no id key":                   {func(o *app.Options) { o.Secrets.IDKey = nil }, "id key"},
		"a short id key":              {func(o *app.Options) { o.Secrets.IDKey = secrets.IDKey[:31] }, "id key"},
		"a short auth key":            {func(o *app.Options) { o.Secrets.AuthKey = secrets.AuthKey[:31] }, "auth key"},
	} {
		opts := app.Options{
			Roles: app.Roles(), PostgresURL: "postgres://db", PayerURL: "http://payer", Secrets: secrets,
			Buffer: buffer.Config{JournalDir: "journal"},
		}
		if err := opts.SetWebhookKeys(drawWebhookKey(t, "test")); err != nil {
			t.Fatal(err)
		}
		if _, err := app.New(opts); err != nil {
			t.Fatalf("good options are refused: %v", err)
		}
		refused.change(&opts)
		_, err := app.New(opts)
		wantRefusal(t, what, err, refused.text)
	}
}

func TestParseRoles_knowsRolesOnly(t *testing.T) {
	roles, err := app.ParseRoles([]string{"status", " ingest", "status"})
	if err != nil || len(roles) != 2 || roles[0] != app.RoleStatus || roles[1] != app.RoleIngest {
		t.Errorf("got %v (%v)", roles, err)
	}
	for _, names := range [][]string{{"webhok"}, {""}, {"ingest", "Status"}, {}} {
		_, err := app.ParseRoles(names)
		wantRefusal(t, strings.Join(names, ","), err, "roles")
	}
}

func TestStart_refusesAnotherIDKey(t *testing.T) {
	t.Parallel()
	in := install(t)
	in.start()
	opts := in.options(app.RoleIngest)
	opts.Secrets = app.NewSecrets()
	wantRefusal(t, "another id key", in.startError(opts), "the first one")
}

func TestStart_refusesADatabaseWithoutItsTables(t *testing.T) {
	t.Parallel()
	in := install(t)
	in.postgres = localtest.Postgres(t)
	wantRefusal(t, "an empty schema", in.startError(in.options(app.RoleStatus)), "paybuf migrate up")
	_, err := app.OpenAdmin(t.Context(), app.AdminOptions{PostgresURL: in.postgres})
	wantRefusal(t, "for a command", err, "paybuf migrate up")

	localtest.Query(t, in.postgres, "CREATE TABLE paybuf_migrations (version_id bigint, is_applied boolean, tstamp timestamp);"+
		"INSERT INTO paybuf_migrations VALUES (1, true, now())")
	wantRefusal(t, "an old schema", in.startError(in.options(app.RoleStatus)), "paybuf migrate up")
}

func TestStart_refusesWhatCannotBeReached(t *testing.T) {
	t.Parallel()
	in := install(t)
	taken, err := net.Listen("tcp", anyPort)
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for what, refused := range map[string]struct {
		change func(*app.Options)
		text   string
	}{
		"an address in use":              {func(o *app.Options) { o.Listen = taken.Addr().String() }, "client listener"},
		"an operators' address in use":   {func(o *app.Options) { o.OperatorListen = taken.Addr().String() }, "operator listener"},
		"a payer that is no URL":         {func(o *app.Options) { o.PayerURL = "payer:8090" }, "payer's URL"},
		"a Postgres that is no URL":      {func(o *app.Options) { o.PostgresURL = "postgres://:port:/" }, "Postgres URL"},
		"a lease that is over too early": {func(o *app.Options) { o.Processor.Lease = o.Processor.PayTimeout }, "lease"},
		"a stream set up otherwise":      {func(o *app.Options) { o.Buffer.StreamBytesMax = 1 << 20 }, "max bytes"},
	} {
		in.start(app.RoleIngest).stop() // makes the stream
		opts := in.options(app.Roles()...)
		refused.change(&opts)
		wantRefusal(t, what, in.startError(opts), refused.text)
	}
	in.start() // nothing was left behind that is in its way
}

// The same start may succeed later, so it is none that must not be repeated.
func TestStart_withoutNATSFailsAndMayBeRepeated(t *testing.T) {
	t.Parallel()
	in := install(t)
	in.broker.stop()
	err := in.startError(in.options(app.RoleIngest))
	if code, detail := payment.CodeOf(err); code != payment.CodeBufferUnavailable || !strings.Contains(detail, "NATS does not answer") {
		t.Errorf("%s %q, want the code %s (%v)", code, detail, payment.CodeBufferUnavailable, err)
	}
	in.broker.start()
	in.start(app.RoleIngest)
}

// unused is an address where nobody listens.
func unused(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", anyPort)
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}

func TestSimulator_refusesAnAddressInUse(t *testing.T) {
	payer := newPayer(t)
	opts := payer.opts
	opts.Ledger = payer.opts.Ledger + ".second"
	_, err := app.StartSimulator(opts)
	wantRefusal(t, "an address in use", err, "payer")
	_, err = app.StartSimulator(app.SimulatorOptions{Options: simulator.Options{}, Listen: anyPort})
	wantRefusal(t, "no ledger", err, "Ledger")
}

func TestSimulator_keepsItsLedgerOverARestart(t *testing.T) {
	in := install(t)
	c := in.client(in.start(), "acme")
	due := c.acceptMany("A-", 5)
	c.awaitSucceeded(due)
	in.payer.stop()
	in.payer.start()
	for _, what := range []string{"from the file", "from the payer"} {
		sum, err := app.ReadLedger(in.payer.opts.Ledger)
		if what == "from the payer" {
			sum = in.payer.running.Summary()
		}
		if err != nil || sum.Charges != 5 || sum.References != 5 || sum.Doubled != 0 || sum.Sums["EUR"] != 510 {
			t.Errorf("%s: %+v (%v)", what, sum, err)
		}
	}
}

func TestAdmin_tellsWhenIntakeWasNotTold(t *testing.T) {
	t.Parallel()
	in := install(t)
	admin, err := app.OpenAdmin(t.Context(), app.AdminOptions{
		PostgresURL: in.postgres, Secrets: in.secrets, Buffer: buffer.Config{URL: "nats://" + unused(t)},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close()
	if _, err := admin.CreateTenant(t.Context(), "acme", "Acme"); err != nil {
		t.Fatal(err)
	}
	plaintext, key, err := admin.CreateKey(t.Context(), "acme", "till")
	if code, detail := payment.CodeOf(err); code != payment.CodeUnavailable || !strings.Contains(detail, "the change is stored") {
		t.Errorf("the error is %s %q", code, detail)
	}
	if plaintext == "" {
		t.Fatal("the key is lost")
	}
	successor, _, err := admin.RotateKey(t.Context(), key.ID, 0)
	if err == nil || successor == "" {
		t.Errorf("rotation gives %q (%v)", successor, err)
	}

	// The processes carry the change on.
	p := in.start()
	c := newCaller(t, p.app.URL(), successor)
	eventually(t, "the successor works", func() bool { return c.get("/v1/payments?order_number=A").status == http.StatusOK })
	c.key = plaintext
	equal(t, "the rotated key", c.get("/v1/payments?order_number=A").status, http.StatusUnauthorized)
}

func TestAdmin_refusesWhatIsNotThere(t *testing.T) {
	t.Parallel()
	in := install(t)
	admin := in.admin(false)
	if _, err := admin.CreateTenant(t.Context(), "Not A Tenant", ""); err == nil {
		t.Error("a tenant of that name was made")
	}
	_, _, err := admin.CreateKey(t.Context(), "nobody", "")
	if code, _ := payment.CodeOf(err); code != payment.CodeNotFound {
		t.Errorf("a key for nobody: %v", err)
	}
	if _, err := admin.RevokeKey(t.Context(), "nosuchkey"); err == nil {
		t.Error("an unknown key was revoked")
	}
	_, err = app.OpenAdmin(context.Background(), app.AdminOptions{})
	wantRefusal(t, "no database", err, "--postgres")
	_, err = app.Migrate(t.Context(), "")
	wantRefusal(t, "no database to migrate", err, "--postgres")
	_, err = app.Migrations(t.Context(), "")
	wantRefusal(t, "no database to look at", err, "--postgres")
}
