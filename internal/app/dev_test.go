package app_test

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/go-json-experiment/json"

	"github.com/paybuf/paybuf/internal/app"
	"github.com/paybuf/paybuf/internal/local"
	"github.com/paybuf/paybuf/internal/local/localtest"
	"github.com/paybuf/paybuf/payment"
	"github.com/paybuf/paybuf/processor"
)

// dev is a whole Paybuf on a directory.
type dev struct {
	t       *testing.T
	dir     string
	running *app.Dev
	stopped bool
}

func devOptions(dir string, logs *logs) app.DevOptions {
	return app.DevOptions{Dir: dir, Options: app.Options{
		Roles: app.Roles(), Listen: anyPort, OperatorListen: anyPort,
		Processor: processor.Config{DuePoll: waitStep}, Logger: logs.logger(),
	}}
}

func startDev(t *testing.T, dir string) *dev {
	t.Helper()
	running, err := app.StartDev(t.Context(), devOptions(dir, newLogs(t)))
	if err != nil {
		t.Fatal(err)
	}
	d := &dev{t: t, dir: dir, running: running}
	t.Cleanup(d.stop)
	return d
}

func (d *dev) stop() {
	if d.stopped {
		return
	}
	d.stopped = true
	ctx, cancel := context.WithTimeout(context.Background(), stopMax)
	defer cancel()
	d.running.Stop(ctx)
}

// client uses the key of dev.json, or none.
func (d *dev) client(withKey bool) *caller {
	d.t.Helper()
	info := d.running.Info()
	if !withKey {
		info.APIKey = ""
	}
	return newCaller(d.t, info.URL, info.APIKey)
}

// readDevFile reads what dev tells other programs, member by member.
func readDevFile(t *testing.T, dir string) map[string]string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, "dev.json"))
	if err != nil {
		t.Fatal(err)
	}
	var told map[string]string
	if err := json.Unmarshal(text, &told); err != nil {
		t.Fatal(err)
	}
	return told
}

func TestDev_isReadyOnAFreshDirectoryAndSaysWhere(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(localtest.Dir(t), "new", "folder")
	d := startDev(t, dir)
	// The key works as soon as the file is there.
	keyed := d.client(true)
	accepted := keyed.accept("A-1001", 1999)

	told := readDevFile(t, dir)
	equal(t, "members of dev.json", len(told), 5)
	info := d.running.Info()
	for name, value := range map[string]string{
		"url": info.URL, "operator_url": info.OperatorURL, "api_key": info.APIKey,
		"payer_url": info.PayerURL, "postgres_url": info.PostgresURL,
	} {
		if value == "" || told[name] != value {
			t.Errorf("dev.json says %s is %q, want %q", name, told[name], value)
		}
	}
	for _, name := range []string{"dev.json", "secrets.json"} {
		if file, err := os.Stat(filepath.Join(dir, name)); err != nil || file.Mode().Perm() != 0o600 {
			t.Errorf("%s has the mode %v (%v)", name, file.Mode(), err)
		}
	}
	equal(t, "readiness", newCaller(t, told["operator_url"], "").get("/readyz").status, http.StatusOK)
	equal(t, "what the payer says", newCaller(t, told["payer_url"], "").get("/healthz").status, http.StatusOK)
	equal(t, "payment", keyed.await(accepted.shown.ID).shown.State, payment.Succeeded)

	keyless := d.client(false)
	equal(t, "without a key it is the same tenant", keyless.accept("A-1001-b", 1).status, http.StatusAccepted)
	equal(t, "its payment", keyless.get(accepted.shown.StatusURL).status, http.StatusOK)
	proxied := keyless.must(keyless.try(http.MethodGet, "/v1/payments?order_number=A", "", "X-Forwarded-For: 192.0.2.1"))
	equal(t, "without a key through a proxy", proxied.status, http.StatusUnauthorized)

	d.stop()
	if _, err := os.Stat(filepath.Join(dir, "dev.json")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("dev.json is there after the stop (%v)", err)
	}
}

func TestDev_knowsItsKeyWhateverItsRoles(t *testing.T) {
	t.Parallel()
	opts := devOptions(localtest.Dir(t), newLogs(t))
	opts.Roles = []app.Role{app.RoleIngest}
	running, err := app.StartDev(t.Context(), opts)
	if err != nil {
		t.Fatal(err)
	}
	d := &dev{t: t, running: running}
	defer d.stop()
	d.client(true).accept("A-1", 100)
}

func TestDev_goesOnWithEverythingItKnew(t *testing.T) {
	t.Parallel()
	dir := localtest.Dir(t)
	first := startDev(t, dir)
	c := first.client(true)
	due := c.acceptMany("A-", 10)
	c.awaitSucceeded(due)
	key := c.key
	first.stop()

	second := startDev(t, dir)
	c = second.client(true)
	equal(t, "API key is the same", c.key == key, true)
	for id := range due {
		if got := c.get("/v1/payments/" + string(id)); got.shown.State != payment.Succeeded {
			t.Errorf("%s is answered %d %s", id, got.status, got.text)
		}
	}
	again := c.post(order("A-0", 100))
	equal(t, "a repetition", again.status, http.StatusOK)
	equal(t, "of what is known", again.shown.State, payment.Succeeded)
	sum, err := app.ReadLedger(filepath.Join(dir, "payer-ledger.ndjson"))
	if err != nil || sum.Charges != 10 || sum.Doubled != 0 {
		t.Errorf("the payer has charged %+v (%v)", sum, err)
	}
}

func TestDev_hasItsDirectoryToItself(t *testing.T) {
	t.Parallel()
	dir := localtest.Dir(t)
	first := startDev(t, dir)
	_, err := app.StartDev(t.Context(), devOptions(dir, newLogs(t)))
	if !errors.Is(err, local.ErrInUse) {
		t.Fatalf("a second start gives %v", err)
	}
	if !strings.Contains(err.Error(), "process "+itoa(os.Getpid())) {
		t.Errorf("the error does not say who has it: %v", err)
	}
	equal(t, "dev.json still leads to the first", readDevFile(t, dir)["url"], first.running.Info().URL)
	first.client(true).accept("A-1", 100)
}

// An out-of-memory kill of Postgres is an outage, not an end.
func TestDev_startsAPostgresThatWasKilledAgain(t *testing.T) {
	t.Parallel()
	dir := localtest.Dir(t)
	d := startDev(t, dir)
	c := d.client(true)
	due := c.acceptMany("before-", 5)
	pid := postmaster(t, dir)
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	for id, minor := range c.acceptMany("during-", 20) {
		due[id] = minor
	}
	c.awaitSucceeded(due)
	equal(t, "it is another process", postmaster(t, dir) == pid, false)
	sum, err := app.ReadLedger(filepath.Join(dir, "payer-ledger.ndjson"))
	if err != nil || sum.Charges != int64(len(due)) || sum.Doubled != 0 {
		t.Errorf("the payer has charged %+v (%v), want %d", sum, err, len(due))
	}
}

// postmaster is the process id that the cluster's own file names.
func postmaster(t *testing.T, dir string) int {
	t.Helper()
	pid := 0
	eventually(t, "Postgres runs", func() bool {
		text, err := os.ReadFile(filepath.Join(dir, "postgres", "postmaster.pid"))
		if err != nil {
			return false
		}
		pid = atoi(strings.SplitN(string(text), "\n", 2)[0])
		return pid > 1
	})
	return pid
}

func TestDev_refusesToServeOtherMachines(t *testing.T) {
	dir := filepath.Join(localtest.Dir(t), "data")
	for _, address := range []string{"0.0.0.0:0", ":0", "[::]:0", "192.0.2.1:0", "example.com:0", "8080", ""} {
		opts := devOptions(dir, newLogs(t))
		opts.Listen = address
		_, err := app.StartDev(t.Context(), opts)
		wantRefusal(t, address, err, "--listen")
	}
	if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("something was made for it (%v)", err)
	}
}

func TestDev_leavesNothingRunningIfItCannotStart(t *testing.T) {
	t.Parallel()
	dir := localtest.Dir(t)
	taken, err := net.Listen("tcp", anyPort)
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	opts := devOptions(dir, newLogs(t))
	opts.Listen = taken.Addr().String()
	_, err = app.StartDev(t.Context(), opts)
	wantRefusal(t, "an address in use", err, "client listener")
	for _, left := range []string{"dev.json", filepath.Join("postgres", "postmaster.pid")} {
		if _, err := os.Stat(filepath.Join(dir, left)); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s is left (%v)", left, err)
		}
	}
	startDev(t, dir) // and is not in its own way
}
