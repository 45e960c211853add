//go:build trial

package trial

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/paybuf/paybuf/internal/local"
	"github.com/paybuf/paybuf/internal/local/localtest"
)

const clusterShards = 3

// clusterInstallation is an installation as it is operated: three NATS servers,
// processes by role, each of them a process that can be killed.
type clusterInstallation struct {
	dir, ledger, secrets, postgres, key string
	payer                               string // URL
	servers                             *localtest.Servers
	streams                             *localtest.Streams
	members                             []*member
}

// member is a process of the installation, whose addresses and directory stay the
// same when it is started again.
type member struct {
	name      string
	args      []string
	address   string // for clients
	operators string
	process   *process
}

func (m *member) url() string { return "http://" + m.address }

func installCluster(t *testing.T) *clusterInstallation {
	t.Helper()
	dir := keptDir(t)
	in := &clusterInstallation{
		dir: dir, ledger: filepath.Join(dir, "payer.ndjson"), secrets: filepath.Join(dir, "secrets.json"),
		servers: localtest.NewServers(t, 3),
	}
	database, err := local.StartPostgres(t.Context(), local.PostgresConfig{
		Dir: localtest.Dir(t), Fast: true, StopWithParent: true, // only processes are killed here
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := database.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
	in.postgres = database.URL()
	address := freeAddress(t)
	start(t, dir, "simulate-payer", "--listen", address, "--ledger", in.ledger, "--latency", "5ms")
	waitForPort(t, address)
	in.payer = "http://" + address
	in.streams = localtest.NewStreams(t, in.servers.URLs()...)
	in.streams.AwaitReady(3)
	in.command(t, "migrate", "up", "--postgres", in.postgres)
	in.command(t, "secrets", in.secrets)
	in.command(t, "tenant", "create", "acme", "--postgres", in.postgres)
	return in
}

// add starts a process with roles.
func (in *clusterInstallation) add(t *testing.T, roles string, flags ...string) *member {
	t.Helper()
	m := &member{name: fmt.Sprintf("%s %d", roles, len(in.members)), address: freeAddress(t), operators: freeAddress(t)}
	m.args = append([]string{
		"serve", "--roles", roles, "--listen", m.address, "--operator-listen", m.operators,
		"--nats", strings.Join(in.servers.URLs(), ","), "--replicas", "3", "--shards", fmt.Sprint(clusterShards),
		"--secrets-file", in.secrets, "--journal-dir", filepath.Join(in.dir, fmt.Sprintf("journal-%d", len(in.members))),
		"--postgres", in.postgres, "--payer", in.payer, "--payer-visibility-delay", "0s",
		"--pay-timeout", "1s", "--lease", "3s", "--retry-max", "1s", "--log-level", "warn",
	}, flags...)
	in.members = append(in.members, m)
	in.restart(t, m)
	return m
}

// restart starts a process that does not run, and waits until it is ready. One
// that gives up, since the servers do not agree for longer than it waits at its
// start, is started again, as a service manager does.
func (in *clusterInstallation) restart(t *testing.T, m *member) {
	t.Helper()
	m.process = start(t, in.dir, m.args...)
	eventually(t, m.name+" is ready", func() bool {
		select {
		case <-m.process.ended:
			log, _ := os.ReadFile(m.process.stderr.Name())
			t.Logf("%s ended: %v\n%s", m.name, m.process.err, tail(log))
			m.process = start(t, in.dir, m.args...)
		default:
		}
		response, err := http.Get("http://" + m.operators + "/readyz")
		if err != nil {
			return false
		}
		_ = response.Body.Close()
		return response.StatusCode == http.StatusOK
	})
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
	const waitMax = time.Minute
	for deadline := time.Now().Add(waitMax); !holds(); <-time.After(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within %s: %s", waitMax, what)
		}
	}
}
