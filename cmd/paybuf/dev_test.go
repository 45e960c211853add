package main

import (
	"context"
	"errors"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/paybuf/paybuf/internal/app"
	"github.com/paybuf/paybuf/internal/local"
	"github.com/paybuf/paybuf/internal/local/localtest"
)

// devDir is a directory for dev whose Postgres does not outlive the test,
// whatever becomes of dev itself.
func devDir(t *testing.T) string {
	t.Helper()
	dir := localtest.Dir(t)
	t.Cleanup(func() {
		if _, err := os.Stat(filepath.Join(dir, "postgres", "postmaster.pid")); err != nil {
			return
		}
		ctx, cancel := context.WithTimeout(context.Background(), stopMax)
		defer cancel()
		left, err := local.StartPostgres(ctx, local.PostgresConfig{Dir: dir}) // takes it over
		if err == nil {
			err = left.Stop(ctx)
		}
		if err != nil {
			t.Error(err)
		}
	})
	return dir
}

// startDev starts dev as a process and waits until it is ready. Its leases are
// short, so that what a killed dev held is soon taken over.
func startDev(t *testing.T, dir, address string) (*process, app.DevInfo) {
	t.Helper()
	p := start(t, "dev", "--data", dir, "--listen", address, "--operator-listen", anyPort,
		"--log-level", "warn", "--pay-timeout", "1s", "--lease", "3s")
	p.said(`ready in ([0-9.]+) s`)
	text, err := os.ReadFile(filepath.Join(dir, "dev.json"))
	if err != nil {
		t.Fatal(err)
	}
	return p, read[app.DevInfo](t, string(text))
}

func TestDev_killedAndStartedAgainPaysEachOrderOnce(t *testing.T) {
	t.Parallel()
	const n = 1000
	dir := devDir(t)
	ledger := filepath.Join(dir, "payer-ledger.ndjson")
	running, info := startDev(t, dir, anyPort)
	where, err := url.Parse(info.URL)
	if err != nil {
		t.Fatal(err)
	}
	if said := running.stderr.String(); strings.Contains(said, passwordOf(t, info.PostgresURL)) {
		t.Errorf("it shows the database's password: %s", said)
	}

	file := orders(t, n)
	sent := make(chan result, 1)
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), 2*waitMax)
		defer cancel()
		sent <- paybufUntil(ctx, "submit", file, "--url", info.URL, "--wait", "--json", "--quiet", "--concurrency", "4")
	}()
	awaitCharges(t, ledger, n/10)
	running.kill()
	running, again := startDev(t, dir, where.Host)
	equal(t, "URL after the kill", again.URL, info.URL)
	equal(t, "API key after the kill", again.APIKey, info.APIKey)

	got := <-sent
	sum := read[submitted](t, got.stdout)
	if got.code != exitOK || sum.Requests != 2*n || sum.Lost != 0 || sum.Settlement.Succeeded != n {
		t.Errorf("submit ends with exit code %d and %+v\n%s", got.code, sum, got.stderr)
	}
	wantOnce(t, ledger, n)
	type totals struct {
		Payments  map[string]int64 `json:"payments"`
		Succeeded map[string]int64 `json:"succeeded_minor"`
	}
	kept := read[totals](t, must(t, "totals", "--data", dir, "--json"))
	equal(t, "succeeded", kept.Payments["succeeded"], n)
	equal(t, "states", len(kept.Payments), 1)
	equal(t, "their sum", kept.Succeeded["EUR"], sumOf(n))

	equal(t, "exit code of a graceful stop", running.terminate(), exitOK)
	for _, left := range []string{"dev.json", filepath.Join("postgres", "postmaster.pid")} {
		if _, err := os.Stat(filepath.Join(dir, left)); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s is there after the stop (%v)", left, err)
		}
	}
	refuse(t, exitUsage, "no `paybuf dev` is ready", "key", "list", "--data", dir)
}

func TestDev_isManagedByItsDirectory(t *testing.T) {
	t.Parallel()
	dir := devDir(t)
	running, info := startDev(t, dir, anyPort)
	must(t, "tenant", "create", "acme", "--data", dir)
	key := strings.TrimSpace(must(t, "key", "create", "acme", "--data", dir))
	eventually(t, "the new key works", func() bool {
		status, _ := get(t, info.URL+"/v1/payments?order_number=A", key)
		return status == 200
	})
	must(t, "submit", orders(t, 5), "--url", info.URL, "--key", key, "--wait", "--quiet")
	if printed := must(t, "get", "A-1", "--url", info.URL, "--key", key, "--wait", "30s"); !strings.Contains(printed, "1.01 EUR") {
		t.Errorf("the payment is shown as\n%s", printed)
	}
	if status, body := get(t, info.URL+"/v1/payments?order_number=A-1", info.APIKey); status != 200 || strings.Contains(body, "A-1") {
		t.Errorf("the dev tenant sees another's payment: %d %s", status, body)
	}

	started := time.Now()
	got := paybuf(t, "dev", "--data", dir, "--listen", anyPort, "--operator-listen", anyPort)
	if got.code != exitFailed || !strings.Contains(got.stderr, "in use") {
		t.Errorf("a second dev on the same directory: exit code %d after %s\n%s", got.code, time.Since(started), got.stderr)
	}
	equal(t, "exit code of a graceful stop", running.terminate(), exitOK)
}

func passwordOf(t *testing.T, databaseURL string) string {
	t.Helper()
	parsed, err := url.Parse(databaseURL)
	if err != nil {
		t.Fatal(err)
	}
	password, given := parsed.User.Password()
	if !given || len(password) < 8 {
		t.Fatal("the database has no password")
	}
	return password
}
