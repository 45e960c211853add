package subject

import (
	"context"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/paybuf/paybuf/internal/local"
)

// install makes an installation, which ends with the test.
func install(t *testing.T) *Installation {
	t.Helper()
	lock(t)
	dir := reachable(t)
	program, err := BuildPaybuf(t.Context(), "../..", dir)
	if err != nil {
		t.Fatal(err)
	}
	shared := filepath.Join(dir, "shared")
	if err := os.Mkdir(shared, 0o711); err != nil {
		t.Fatal(err)
	}
	postgres, err := local.StartPostgres(t.Context(), local.PostgresConfig{
		Dir: shared, StopWithParent: true, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := postgres.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
	i, err := Install(t.Context(), program, dir, postgres)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := i.Stop(); err != nil || !isGone(i.nats.PID) {
			t.Errorf("its NATS still runs: %v", err)
		}
	})
	return i
}

func get(t *testing.T, url, key string) int {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+key)
	request.Close = true
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
	return response.StatusCode
}

func TestInstallation_servesItsTenantsByTheirKeys(t *testing.T) {
	i := install(t)
	key, err := i.AddTenant(t.Context(), "acme")
	if err != nil || !strings.HasPrefix(key, "pbk_") {
		t.Fatalf("key %q: %v", key, err)
	}
	s, err := i.Serve(t.Context(), "status")
	if err != nil {
		t.Fatal(err)
	}
	const unknown = "/v1/payments/pay_aaaaaaaaaaaaaaaaaaaaaaaaaa"
	if got := get(t, s.url()+unknown, key); got != http.StatusNotFound {
		t.Errorf("with its key: %d", got)
	}
	if got := get(t, s.url()+unknown, key+"x"); got != http.StatusUnauthorized {
		t.Errorf("with another key: %d", got)
	}
	runtime, err := s.Runtime(t.Context())
	if err != nil || runtime.Threads < 1 || runtime.GarbagePercent < 1 || runtime.MemoryBytes < 1 {
		t.Errorf("%+v, %v", runtime, err)
	}
	checkConstant(t, i, runtime)
	if s.PostgresPID == 0 || s.PostgresURL == "" || s.ReadyAfter <= 0 {
		t.Errorf("%+v", s)
	}
	if err := s.Stop(); err != nil || !isGone(s.PID) {
		t.Errorf("it still runs: %v", err)
	}
}

// checkConstant starts the constant peer like a process of the installation.
func checkConstant(t *testing.T, i *Installation, like Runtime) {
	t.Helper()
	file := filepath.Join(i.dir, "answer.http")
	if err := os.WriteFile(file, []byte("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	constant, err := StartConstant(t.Context(), i.dir, file, like)
	if err != nil {
		t.Fatal(err)
	}
	if got := get(t, constant.url()+"/v1/payments/pay_1", ""); got != http.StatusOK {
		t.Errorf("the constant peer answers %d", got)
	}
	if err := constant.Stop(); err != nil {
		t.Error(err)
	}
}

func TestInstallation_quotesACommandThatFails(t *testing.T) {
	i := install(t)
	if _, err := i.AddTenant(t.Context(), "No Tenant"); err == nil || !strings.Contains(err.Error(), "paybuf tenant create") {
		t.Errorf("a bad name: %v", err)
	}
	if _, err := i.Serve(t.Context(), "nonsense"); err == nil || !strings.Contains(err.Error(), "nonsense") {
		t.Errorf("a role that is none: %v", err)
	}
	i.Set("PAYBUF_NO_SUCH_SETTING", "1")
	if _, err := i.Serve(t.Context(), "status"); err == nil || !strings.Contains(err.Error(), "PAYBUF_NO_SUCH_SETTING") {
		t.Errorf("a setting that is none: %v", err)
	}
}

func TestConsumer_runsUntilItIsStopped(t *testing.T) {
	lock(t)
	s, err := StartConsumer(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if got := get(t, s.url()+"/tally", ""); got != http.StatusOK {
		t.Errorf("it answers %d", got)
	}
	if err := s.Stop(); err != nil || !isGone(s.PID) {
		t.Errorf("it still runs: %v", err)
	}
}

func TestFindIn_readsWhereAProcessIs(t *testing.T) {
	var s Subject
	for _, early := range []string{"", "ready: clients http://127.0.0.1:1", "ready: clients http://127.0.0.1:1, operators http://127.0.0.1:2"} {
		if s.findIn(early) {
			t.Errorf("%q says where it is", early)
		}
	}
	if !s.findIn("{\"level\":\"INFO\"}\nready: clients http://127.0.0.1:1, operators http://127.0.0.1:2\n") ||
		s.Address != "127.0.0.1:1" || s.OperatorURL != "http://127.0.0.1:2" {
		t.Errorf("%+v", s)
	}
	s = Subject{}
	if !s.findIn("ready: clients none, operators http://127.0.0.1:2\n") || s.Address != "" {
		t.Errorf("of one without clients: %+v", s)
	}
}
