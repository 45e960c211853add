package subject

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// reachable is a directory that Postgres' own user can get to, unlike t.TempDir.
func reachable(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "paybuf-bench-test-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := RemoveData(dir); err != nil {
			t.Error(err)
		}
	})
	if err := os.Chmod(dir, 0o711); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestPaybuf_goesOnAfterItWasKilled(t *testing.T) {
	lock(t)
	dir := reachable(t)
	program, err := BuildPaybuf(t.Context(), "../..", dir)
	if err != nil {
		t.Fatal(err)
	}
	first, err := StartPaybuf(t.Context(), program, dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := first.Kill(); err != nil || !isGone(first.PID) || isGone(first.PostgresPID) {
		t.Errorf("kill: %v; of it, only Postgres is to run", err)
	}
	second, err := StartPaybuf(t.Context(), program, dir)
	if err != nil {
		t.Fatal(err)
	}
	if second.OperatorURL == first.OperatorURL || second.ReadyAfter <= 0 || second.PostgresPID != first.PostgresPID {
		t.Errorf("first %+v, then %+v", first, second)
	}
	if err := second.AwaitBacklog(t.Context(), 0); err != nil {
		t.Error(err)
	}
	if err := second.Kill(); err != nil {
		t.Error(err)
	}
	if err := StopPostgres(t.Context(), dir); err != nil || !isDead(second.PostgresPID) {
		t.Errorf("its Postgres still runs: %v", err)
	}
	if err := second.Kill(); err == nil {
		t.Error("it was killed twice")
	}
}

func TestAwaitBacklog_waitsForAllPaymentsOfAllStreams(t *testing.T) {
	asked := 0
	operator := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked++
		if r.URL.Path != "/metrics" {
			http.NotFound(w, r)
			return
		}
		_, _ = fmt.Fprintf(w, "# HELP paybuf_buffer_backlog x\npaybuf_buffer_backlog{stream=\"A\"} %d\n"+
			"paybuf_buffer_backlog{stream=\"B\"} 1e+06\npaybuf_buffer_bytes{stream=\"B\"} 7\n", 10*asked)
	}))
	defer operator.Close()
	s := Subject{OperatorURL: operator.URL}
	if err := s.AwaitBacklog(t.Context(), 1_000_030); err != nil || asked != 3 {
		t.Errorf("it took %d questions: %v", asked, err)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errBacklogShort)
	if err := s.AwaitBacklog(ctx, 2_000_000); err == nil {
		t.Error("payments that are missing were not missed")
	}
	s.OperatorURL += "/elsewhere"
	if err := s.AwaitBacklog(t.Context(), 0); err == nil {
		t.Error("a page without metrics has a backlog")
	}
}

func TestRemoveData_alsoRemovesAClusterOutside(t *testing.T) {
	outside, dir := t.TempDir(), filepath.Join(t.TempDir(), "servers")
	cluster := filepath.Join(outside, "x", "cluster")
	data := filepath.Join(dir, "peers")
	for _, made := range []string{cluster, data} {
		if err := os.MkdirAll(made, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(cluster, filepath.Join(data, "postgres")); err != nil {
		t.Fatal(err)
	}
	if err := RemoveData(dir); err != nil {
		t.Fatal(err)
	}
	left, err := os.ReadDir(outside)
	if _, gone := os.Stat(dir); err != nil || len(left) != 0 || !os.IsNotExist(gone) {
		t.Errorf("%v is left outside, %v inside: %s", left, gone, strings.TrimSpace(fmt.Sprint(err)))
	}
}
