package main

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/paybuf/paybuf/internal/local"
)

// installation is servers that listen, a payer that is a process, and an
// installation's secrets.
type installation struct {
	t                              *testing.T
	nats, postgres, secrets, payer string
	ledger                         string
	payerProcess                   *process
}

func install(t *testing.T) *installation {
	t.Helper()
	server, err := local.StartNATS(t.Context(), local.NATSConfig{Dir: filepath.Join(t.TempDir(), "nats"), Listen: anyPort})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Stop)
	in := &installation{t: t, nats: server.ClientURL(), ledger: filepath.Join(t.TempDir(), "payer.ndjson")}
	in.postgres, in.secrets = migrated(t)
	in.payerProcess = start(t, "simulate-payer", "--listen", anyPort, "--ledger", in.ledger, "--latency", "20ms")
	in.payer = in.payerProcess.said(`ready: (http://\S+)/charges`)
	return in
}

// serve starts a process with some roles, told where things are by flags.
func (in *installation) serve(roles string, flags ...string) (p *process, clients, operators string) {
	in.t.Helper()
	p = start(in.t, append([]string{
		"serve", "--roles", roles, "--nats", in.nats, "--secrets-file", in.secrets, "--journal-dir", in.t.TempDir(),
		"--listen", anyPort, "--operator-listen", anyPort, "--log-level", "warn",
	}, flags...)...)
	operators = p.said(`ready: clients \S+, operators (\S+)\n`)
	clients = p.said(`ready: clients (\S+),`)
	eventually(in.t, roles+" is ready", func() bool {
		status, _ := get(in.t, operators+"/readyz", "")
		return status == 200
	})
	return p, clients, operators
}

// admin gives a command the installation that it is about.
func (in *installation) admin(args ...string) string {
	in.t.Helper()
	return must(in.t, append(args, "--postgres", in.postgres, "--secrets-file", in.secrets, "--nats", in.nats)...)
}

func TestServe_threeProcessesByRolePayEachOrderOnce(t *testing.T) {
	t.Parallel()
	const n = 300
	in := install(t)
	in.admin("tenant", "create", "acme")
	key := strings.TrimSpace(in.admin("key", "create", "acme"))
	processor := func() *process {
		p, clients, _ := in.serve("processor", "--postgres", in.postgres, "--payer", in.payer,
			"--concurrency", "4", "--pay-timeout", "1s", "--lease", "3s", "--payer-visibility-delay", "0s")
		equal(t, "where the processor serves clients", clients, "none")
		return p
	}
	ingest, door, _ := in.serve("ingest")
	status, desk, _ := in.serve("status", "--postgres", in.postgres)
	first := processor()

	sum := read[submitted](t, must(t, "submit", orders(t, n), "--url", door, "--key", key, "--json", "--quiet"))
	if sum.Requests != 2*n || sum.Accepted != n || sum.Duplicates != n || sum.Lost != 0 {
		t.Errorf("submit says %+v", sum)
	}
	awaitCharges(t, in.ledger, n/10)
	first.kill() // kill -9 in the middle; another takes its payments over
	second := processor()
	type totals struct {
		Payments map[string]int64 `json:"payments"`
	}
	eventually(t, "all have succeeded", func() bool {
		return read[totals](t, must(t, "totals", "--postgres", in.postgres, "--json")).Payments["succeeded"] == n
	})
	wantOnce(t, in.ledger, n)

	code, body := get(t, desk+"/v1/payments?order_number=A-1", key)
	if code != 200 || !strings.Contains(body, `"succeeded"`) {
		t.Errorf("an order is answered %d %s", code, body)
	}
	if code, _ := get(t, desk+"/v1/payments?order_number=A-1", ""); code != 401 {
		t.Errorf("without a key it is answered %d", code)
	}
	for name, p := range map[string]*process{
		"ingest": ingest, "status": status, "processor": second, "payer": in.payerProcess,
	} {
		equal(t, "exit code of a graceful stop of "+name, p.terminate(), exitOK)
	}
}

func TestServe_theLogIsJSONOnStandardErrorAndHoldsNoSecret(t *testing.T) {
	t.Parallel()
	in := install(t)
	in.admin("tenant", "create", "acme")
	key := strings.TrimSpace(in.admin("key", "create", "acme"))
	p, url, _ := in.serve("ingest,processor,status", "--postgres", in.postgres, "--payer", in.payer, "--log-level", "debug")
	must(t, "submit", orders(t, 20), "--url", url, "--key", key, "--wait", "--quiet")
	equal(t, "exit code", p.terminate(), exitOK)

	lines := 0
	for line := range strings.Lines(p.stderr.String()) {
		if !strings.HasPrefix(line, "{") {
			continue // what is said to a person
		}
		lines++
		read[map[string]any](t, line)
	}
	if lines < 20 {
		t.Errorf("only %d lines are JSON", lines)
	}
	for _, secret := range []string{key[strings.LastIndex(key, "_")+1:], "tok_visa", passwordOf(t, in.postgres)} {
		if strings.Contains(p.stderr.String(), secret) {
			t.Errorf("the log holds %q", secret)
		}
	}
}
