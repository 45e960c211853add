//go:build trial

package trial

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/paybuf/paybuf/internal/local"
	"github.com/paybuf/paybuf/internal/local/localtest"
)

const clusterShards = 3

// clusterInstallation is an installation as it is operated: NATS servers, Postgres
// and processes by role, each of them a process that can be killed.
type clusterInstallation struct {
	layout
	dir, ledger, secrets, postgres, key string
	payer                               string // URL
	servers                             *localtest.Servers
	streams                             *localtest.Streams
	database                            *local.Postgres
	databaseDir                         string
	members                             []*member
}

// layout is what installations differ in.
type layout struct {
	nats     int      // servers
	shards   int      // streams
	webhooks bool     // whether tenants can be told of events
	program  string   // that serves
	environ  []string // of all processes
	payer    []string // flags of the simulated payer
	serve    []string // flags of all processes
}

// member is a process of the installation, whose addresses and directory stay the
// same when it is started again.
type member struct {
	name      string
	role      string
	args      []string
	environ   []string
	address   string // for clients
	operators string
	process   *process
}

func (m *member) url() string { return "http://" + m.address }

func installCluster(t *testing.T) *clusterInstallation {
	return installServers(t, layout{
		nats: 3, shards: clusterShards, program: program, payer: []string{"--latency", "5ms"},
		serve: []string{"--payer-visibility-delay", "0s", "--pay-timeout", "1s", "--lease", "3s", "--retry-max", "1s"},
	})
}

// installServers starts what the processes of an installation need, and makes its
// tenant and a key.
func installServers(t *testing.T, l layout) *clusterInstallation {
	t.Helper()
	dir := keptDir(t)
	in := &clusterInstallation{
		layout: l, dir: dir, ledger: filepath.Join(dir, "payer.ndjson"), secrets: filepath.Join(dir, "secrets.json"),
		servers: localtest.NewServers(t, l.nats), databaseDir: localtest.Dir(t),
	}
	in.startPostgres(t)
	t.Cleanup(func() {
		if err := in.database.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
	in.postgres = in.database.URL()
	address := freeAddress(t)
	start(t, dir, append([]string{"simulate-payer", "--listen", address, "--ledger", in.ledger}, l.payer...)...)
	waitForPort(t, address)
	in.payer = "http://" + address
	in.streams = localtest.NewStreams(t, in.servers.URLs()...)
	in.streams.AwaitReady(l.nats)
	in.command(t, "migrate", "up", "--postgres", in.postgres)
	in.command(t, "secrets", in.secrets)
	in.command(t, "tenant", "create", "acme", "--postgres", in.postgres)
	if l.webhooks {
		in.environ = append(slices.Clone(in.environ), "PAYBUF_WEBHOOK_KEYS="+in.command(t, "secrets", "webhook-key"))
		in.serve = append(slices.Clone(in.serve), "--webhook-insecure") // consumers are on this machine
	}
	return in
}

// startPostgres starts a Postgres that does not run, at the URL that it had.
func (in *clusterInstallation) startPostgres(t *testing.T) {
	t.Helper()
	var err error
	in.database, err = local.StartPostgres(t.Context(), local.PostgresConfig{
		Dir: in.databaseDir, Fast: true, StopWithParent: true, Logger: slog.New(slog.DiscardHandler), // only processes are killed here
	})
	if err != nil {
		t.Fatal(err)
	}
}

// killPostgres is kill -9 of the server, whose children end with it.
func (in *clusterInstallation) killPostgres(t *testing.T) {
	t.Helper()
	if err := syscall.Kill(in.database.PID(), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	<-in.database.Exited()
	if err := in.database.Stop(context.Background()); err != nil { // gives its directory back
		t.Fatal(err)
	}
}

// add starts a process with roles, and waits until it is ready.
func (in *clusterInstallation) add(t *testing.T, roles string, flags ...string) *member {
	t.Helper()
	m := in.place(t, roles, flags...)
	in.restart(t, m)
	return m
}

// place makes a process with roles that does not run yet.
func (in *clusterInstallation) place(t *testing.T, roles string, flags ...string) *member {
	t.Helper()
	m := &member{
		name: fmt.Sprintf("%s %d", roles, len(in.members)), role: roles, address: freeAddress(t), operators: freeAddress(t),
	}
	m.args = append([]string{
		"serve", "--roles", roles, "--listen", m.address, "--operator-listen", m.operators,
		"--nats", strings.Join(in.servers.URLs(), ","),
		"--replicas", fmt.Sprint(in.nats), "--shards", fmt.Sprint(in.shards),
		"--secrets-file", in.secrets, "--journal-dir", filepath.Join(in.dir, fmt.Sprintf("journal-%d", len(in.members))),
		"--postgres", in.postgres, "--payer", in.payer, "--log-level", "warn",
	}, in.serve...)
	m.args = append(m.args, flags...)
	in.members = append(in.members, m)
	return m
}

// begin starts a process that does not run.
func (in *clusterInstallation) begin(t *testing.T, m *member) {
	t.Helper()
	m.process = startAs(t, in.program, slices.Concat(in.environ, m.environ), in.dir, m.args...)
}

// restart starts a process that does not run, and waits until it is ready. One
// that gives up, since the servers do not agree for longer than it waits at its
// start, is started again, as a service manager does.
func (in *clusterInstallation) restart(t *testing.T, m *member) {
	t.Helper()
	in.begin(t, m)
	eventually(t, m.name+" is ready", func() bool {
		select {
		case <-m.process.ended:
			log, _ := os.ReadFile(m.process.log)
			t.Logf("%s ended: %v\n%s", m.name, m.process.err, tail(log))
			in.begin(t, m)
		default:
		}
		return m.ready()
	})
}

func (m *member) ready() bool {
	response, err := http.Get("http://" + m.operators + "/readyz")
	if err != nil {
		return false
	}
	_ = response.Body.Close()
	return response.StatusCode == http.StatusOK
}

// command runs a command that succeeds, and gives what it printed.
func (in *clusterInstallation) command(t *testing.T, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	stdout, err := exec.CommandContext(ctx, program, args...).Output()
	if err != nil {
		t.Fatalf("paybuf %s: %v", strings.Join(args, " "), err)
	}
	return strings.TrimSpace(string(stdout))
}

var backlogLine = regexp.MustCompile(`(?m)^paybuf_buffer_backlog\{[^}]*\} (\S+)$`)

// backlogs gives what a process says of the backlog of each stream.
func (m *member) backlogs(t *testing.T) (backlogs []string) {
	t.Helper()
	response, err := http.Get("http://" + m.operators + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	for _, match := range backlogLine.FindAllSubmatch(text, -1) {
		backlogs = append(backlogs, string(match[1]))
	}
	return backlogs
}

// eventually waits until something holds.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	const waitMax = 3 * time.Minute
	for deadline := time.Now().Add(waitMax); !holds(); <-time.After(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within %s: %s", waitMax, what)
		}
	}
}
