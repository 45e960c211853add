package outcome

import (
	"context"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/paybuf/paybuf/internal/local"
	"github.com/paybuf/paybuf/internal/local/localtest"
)

func TestMain(m *testing.M) { localtest.Main(m) }

// prepared starts a cluster that Prepare has made.
func prepared(t *testing.T) *local.Postgres {
	t.Helper()
	dir := localtest.Dir(t)
	if err := Prepare(t.Context(), dir); err != nil {
		t.Fatal(err)
	}
	postgres, err := local.StartPostgres(t.Context(), local.PostgresConfig{
		Dir: dir, StopWithParent: true, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := postgres.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return postgres
}

func open(t *testing.T, url string, source Source) *Ledger {
	t.Helper()
	l, err := Open(t.Context(), url, source)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close(context.Background()) })
	return l
}

func execute(t *testing.T, conn *pgx.Conn, sql string) {
	t.Helper()
	if _, err := conn.Exec(t.Context(), sql); err != nil {
		t.Fatal(err)
	}
}

func TestLedger_readsEndsTheirCommitsAndAllStatements(t *testing.T) {
	url := prepared(t).URL()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	execute(t, conn, "CREATE TABLE payments (order_number text, state text)")
	execute(t, conn, "INSERT INTO payments VALUES ('A-1', 'paying'), ('A-2', 'paying'), ('A-3', 'paying')")
	l := open(t, url, Paybuf)
	if n, err := l.Count(t.Context()); err != nil || n != 0 {
		t.Errorf("%d have ended before any has: %v", n, err)
	}
	statements, err := l.Statements(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	before := time.Now()
	execute(t, conn, "UPDATE payments SET state = 'succeeded' WHERE order_number = 'A-1'")
	between := time.Now()
	execute(t, conn, "BEGIN")
	execute(t, conn, "UPDATE payments SET state = 'succeeded' WHERE order_number = 'A-2'")
	execute(t, conn, "SELECT pg_sleep(0.05)")
	late := time.Now() // what counts is the commit, not the write
	execute(t, conn, "COMMIT")
	after := time.Now()
	if n, err := l.Count(t.Context()); err != nil || n != 2 {
		t.Errorf("%d have ended: %v", n, err)
	}
	now, err := l.Statements(t.Context())
	// Five by the connection; two of ours: the count before, and the count of ends.
	if err != nil || now-statements != 5+2 {
		t.Errorf("%d statements were executed: %v", now-statements, err)
	}
	commits, err := l.Commits(t.Context())
	if err != nil || len(commits) != 2 {
		t.Fatalf("%v, %v", commits, err)
	}
	checkWithin(t, commits["A-1"], before, between)
	checkWithin(t, commits["A-2"], late, after)
}

func checkWithin(t *testing.T, at, from, to time.Time) {
	t.Helper()
	// Postgres tells microseconds.
	if at.Before(from.Truncate(time.Microsecond)) || at.After(to) {
		t.Errorf("it was committed at %s, not between %s and %s", at, from, to)
	}
}

func TestLedger_readsRiversEnds(t *testing.T) {
	url := prepared(t).URL()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	execute(t, conn, "CREATE TABLE river_job (args jsonb, state text)")
	execute(t, conn, `INSERT INTO river_job VALUES ('{"order_number":"A-1"}', 'completed'), ('{"order_number":"A-2"}', 'retryable')`)
	l := open(t, url, River)
	commits, err := l.Commits(t.Context())
	if err != nil || len(commits) != 1 || commits["A-1"].IsZero() {
		t.Errorf("%v, %v", commits, err)
	}
}

func TestLedger_saysThatAClusterTellsNothing(t *testing.T) {
	url := localtest.Postgres(t)
	l := open(t, url, Paybuf)
	if _, err := l.Statements(t.Context()); err == nil || !strings.Contains(err.Error(), "pg_stat_statements") {
		t.Errorf("statements: %v", err)
	}
	if _, err := l.Count(t.Context()); err == nil {
		t.Error("payments without a table were counted")
	}
	if _, err := l.Commits(t.Context()); err == nil {
		t.Error("commits without a table were read")
	}
	if _, err := Open(t.Context(), "postgres://nobody@127.0.0.1:1/none?sslmode=disable", Paybuf); err == nil {
		t.Error("nobody listens")
	}
}

func TestPrepare_saysWhatIsInItsWay(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := Prepare(ctx, localtest.Dir(t)); err == nil || !strings.Contains(err.Error(), "prepare postgres") {
		t.Errorf("ended before: %v", err)
	}
	if err := addCounts(t.Context(), "/bin/false", localtest.Dir(t)); err == nil {
		t.Error("a directory without a cluster was prepared")
	}
}
