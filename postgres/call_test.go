package postgres_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/paybuf/paybuf/internal/local/localtest"
	"github.com/paybuf/paybuf/payment"
	"github.com/paybuf/paybuf/postgres"
)

func TestOpen_refusesABadURLWithoutTellingThePassword(t *testing.T) {
	t.Parallel()
	_, err := postgres.Open(t.Context(), "postgres://paybuf:s3cret@127.0.0.1:port/", postgres.Config{})
	mustCode(t, err, payment.CodeConfig)
	if strings.Contains(err.Error(), "s3cret") {
		t.Errorf("the error tells the password: %v", err)
	}
}

func TestOpen_doesNotWaitForTheServer(t *testing.T) {
	t.Parallel()
	db, err := postgres.Open(t.Context(), "postgres://127.0.0.1:1/nobody-listens", postgres.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(db.Close)
	mustCode(t, db.Ping(t.Context()), payment.CodeUnavailable)
	_, err = db.Claim(t.Context(), orders(t, 1), nil, lease)
	mustCode(t, err, payment.CodeUnavailable)
}

func TestOpen_theURLsOwnSettingsWin(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	slow := openLedger(t, with(t, l.url, "statement_timeout", "50"), postgres.Config{StatementTimeout: time.Hour})
	hold := l.hold("LOCK TABLE payments")
	defer hold()
	_, err := slow.PaymentsByOrder(t.Context(), tenant, "A-1")
	mustCode(t, err, payment.CodeUnavailable)
}

func TestOpen_wrongRoleOrDatabaseIsForAnOperator(t *testing.T) {
	t.Parallel()
	schema := localtest.Postgres(t)
	nowhere := parse(t, schema)
	nowhere.Path = "/no_such_database"
	for name, url := range map[string]string{
		"database": nowhere.String(),
		"setting":  with(t, schema, "no_such_setting", "1"),
		"value":    with(t, schema, "statement_timeout", "soon"),
	} {
		db, err := postgres.Open(t.Context(), url, postgres.Config{})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(db.Close)
		t.Log(name)
		mustSay(t, db.Ping(t.Context()), "check the Postgres URL")
	}
}

// hold runs a statement in a transaction that stays open until the returned
// function is called.
func (l *ledger) hold(sql string) (release func()) {
	l.t.Helper()
	tx, err := l.raw.Begin(l.t.Context())
	if err != nil {
		l.t.Fatal(err)
	}
	if _, err := tx.Exec(l.t.Context(), sql); err != nil {
		l.t.Fatal(err)
	}
	return func() {
		if err := tx.Rollback(context.Background()); err != nil {
			l.t.Errorf("release what %q holds: %v", sql, err)
		}
	}
}

func TestPing_provesThatItCanWrite(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	if err := l.Ping(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := l.count("write_probes"); n != 0 {
		t.Errorf("%d probes are left", n)
	}
	const readOnly = "-cdefault_transaction_read_only=on"
	reader := with(t, l.url, "options", readOnly)
	mustCode(t, openLedger(t, reader, postgres.Config{}).Ping(t.Context()), payment.CodeUnavailable)

	anyServer := openLedger(t, with(t, reader, "target_session_attrs", "any"), postgres.Config{})
	if _, err := anyServer.PaymentsByOrder(t.Context(), tenant, "A-1"); err != nil {
		t.Errorf("a server that only reads was asked for: %v", err)
	}
	mustCode(t, anyServer.Ping(t.Context()), payment.CodeUnavailable)
	_, err := anyServer.Claim(t.Context(), orders(t, 1), nil, lease)
	mustCode(t, err, payment.CodeUnavailable)
}

func TestPing_missingTablesAreForAnOperator(t *testing.T) {
	t.Parallel()
	l := openLedger(t, localtest.Postgres(t), postgres.Config{})
	mustSay(t, l.Ping(t.Context()), "`paybuf migrate up`")
}

func TestCall_endsInTime(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	release := l.hold("LOCK TABLE payments")
	defer release()
	const short, never = 50 * time.Millisecond, time.Hour // one limit each: the first to run out is what is told
	for want, cfg := range map[string]postgres.Config{
		"statement timeout":        {StatementTimeout: short, LockTimeout: never, CallTimeout: never},
		"lock timeout":             {StatementTimeout: never, LockTimeout: short, CallTimeout: never},
		"longer than the call may": {StatementTimeout: never, LockTimeout: never, CallTimeout: short},
	} {
		_, err := openLedger(t, l.url, cfg).Claim(t.Context(), orders(t, 1), nil, lease)
		mustCode(t, err, payment.CodeUnavailable)
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not say %q", err, want)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := l.Claim(ctx, orders(t, 1), nil, lease)
	mustCode(t, err, payment.CodeUnavailable)
}

// Only one call notices that the server has gone, not one for each connection.
func TestCall_lostServerIsNoticedOnce(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	const conns = 4
	release := l.hold("LOCK TABLE write_probes")
	wait := background(func() (struct{}, error) {
		together(conns, func(int) {
			if err := l.Ping(context.Background()); err != nil {
				t.Error(err)
			}
		})
		return struct{}{}, nil
	})
	l.waitForLocks(conns)
	release()
	if _, err := wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	const endSQL = `SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = current_schema()`
	if n := query[int](l, endSQL); n != conns {
		t.Fatalf("%d connections were ended, want %d", n, conns)
	}
	eventually(t, "they are gone", func() bool {
		return l.count("pg_stat_activity WHERE application_name = current_schema()") == 0
	})
	failed := 0 // none if the pool has looked at a connection that was idle for long
	for range 1 + conns {
		if err := l.Ping(t.Context()); err != nil {
			mustCode(t, err, payment.CodeUnavailable)
			failed++
		}
	}
	if failed > 1 {
		t.Errorf("%d calls failed, want at most the first", failed)
	}
}

// A session keeps its plans while tables grow, so none may ever read a whole
// table, whatever the planner believes about its size.
func TestSessions_findRowsByIndexAlone(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	const payments, rounds = 50, 8 // after five, a session settles on a plan
	works := l.claim(orders(t, payments)...)
	l.exec("ANALYZE payments, attempts")
	for range rounds {
		var outcomes []payment.Outcome
		for _, work := range works {
			outcomes = append(outcomes, outcome(work, payment.Unknown, payment.VerdictUnknown))
			outcomes[len(outcomes)-1].NextIn = 0
		}
		l.settle(outcomes...)
		if works = l.take(); len(works) != payments {
			t.Fatalf("%d were leased, want %d", len(works), payments)
		}
		if _, err := l.Claim(t.Context(), orders(t, 9), []payment.Request{order(t, "A-0001", costing(7))}, lease); err != nil {
			t.Fatal(err)
		}
		l.read(works[0].ID)
	}
	l.Close() // its sessions report what they did
	const statsSQL = `pg_stat_user_tables WHERE schemaname = current_schema() AND relname IN ('payments', 'attempts')`
	eventually(t, "the sessions have reported", func() bool { // nothing but operators reads attempts
		return query[int](l, "SELECT max(idx_scan)::integer FROM "+statsSQL) >= payments*rounds
	})
	if n := query[int](l, "SELECT sum(seq_tup_read)::integer FROM "+statsSQL); n != 0 {
		t.Errorf("%d rows were read that no index led to", n)
	}
}
