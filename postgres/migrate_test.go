package postgres_test

import (
	"context"
	"database/sql"
	"io/fs"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"

	"github.com/paybuf/paybuf/internal/local/localtest"
	"github.com/paybuf/paybuf/migrations"
	"github.com/paybuf/paybuf/payment"
	"github.com/paybuf/paybuf/postgres"
)

func migrationNames(t *testing.T) []string {
	t.Helper()
	names, err := fs.Glob(migrations.Files, "*.sql")
	if err != nil {
		t.Fatal(err)
	}
	return names
}

func TestMigrate_appliesWhatIsMissing(t *testing.T) {
	t.Parallel()
	schema := localtest.Postgres(t)
	applied, err := postgres.Migrate(t.Context(), schema)
	if err != nil || !slices.Equal(applied, migrationNames(t)) {
		t.Fatalf("applied %v, %v", applied, err)
	}
	again, err := postgres.Migrate(t.Context(), schema)
	if err != nil || len(again) != 0 {
		t.Errorf("applied again %v, %v", again, err)
	}
}

func TestMigrate_fiveAtOnce(t *testing.T) {
	t.Parallel()
	schema := localtest.Postgres(t)
	var applied atomic.Int64
	together(5, func(int) {
		names, err := postgres.Migrate(context.Background(), schema)
		if err != nil {
			t.Error(err)
		}
		applied.Add(int64(len(names)))
	})
	if want := int64(len(migrationNames(t))); applied.Load() != want {
		t.Errorf("%d migrations were applied, want each of %d once", applied.Load(), want)
	}
	if err := openLedger(t, schema, postgres.Config{}).CheckSchema(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestMigrate_saysWhatIsWrong(t *testing.T) {
	t.Parallel()
	_, err := postgres.Migrate(t.Context(), "postgres://127.0.0.1:not-a-port/")
	mustCode(t, err, payment.CodeConfig)
	_, err = postgres.Migrate(t.Context(), "postgres://127.0.0.1:1/nobody-listens")
	mustCode(t, err, payment.CodeUnavailable)
	_, err = postgres.Migrate(t.Context(), with(t, localtest.Postgres(t), "search_path", "no_such_schema"))
	mustCode(t, err, payment.CodeConfig)
	if !strings.Contains(err.Error(), "search_path") {
		t.Errorf("the error does not help: %v", err)
	}
}

func TestMigrations_canBeUndone(t *testing.T) {
	t.Parallel()
	schema := localtest.Postgres(t)
	if _, err := postgres.Migrate(t.Context(), schema); err != nil {
		t.Fatal(err)
	}
	migrateTo(t, schema, 0)
	l := openLedger(t, schema, postgres.Config{})
	if n := l.count(`pg_class WHERE relnamespace = current_schema()::regnamespace AND relkind = 'r'
		AND relname <> 'paybuf_migrations'`); n != 0 {
		t.Errorf("%d tables are left", n)
	}
	if n := l.count("pg_proc WHERE pronamespace = current_schema()::regnamespace"); n != 0 {
		t.Errorf("%d functions are left", n)
	}
	if _, err := postgres.Migrate(t.Context(), schema); err != nil {
		t.Errorf("up again: %v", err)
	}
}

// An index of a large table takes minutes, and leases run out after half a minute.
func TestMigrations_nobodyWaitsForTheIndexesOfEvents(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	migrateTo(t, l.url, 13)
	url := named(t, l.url)
	release := l.hold("LOCK TABLE events IN ROW EXCLUSIVE MODE") // as whoever writes
	migrated := make(chan error, 1)
	go func() {
		_, err := postgres.Migrate(context.Background(), url)
		migrated <- err
	}()
	eventually(t, "the build of an index waits", func() bool { // ours, not that of a test beside it
		return l.count(`pg_locks JOIN pg_stat_activity USING (pid)
			WHERE NOT granted AND query LIKE '%CREATE INDEX%' AND application_name = $1`,
			parse(t, url).Query().Get("application_name")) > 0
	})
	claimed, err := l.Claim(t.Context(), []payment.Request{order(t, "meanwhile")}, nil, lease)
	if err != nil || len(claimed.Works) != 1 {
		t.Errorf("while an index is built: %d claimed, %v", len(claimed.Works), err)
	}
	release()
	if err := <-migrated; err != nil {
		t.Error(err)
	}
	if n := l.count("pg_index WHERE indrelid = 'events'::regclass AND NOT indisvalid"); n != 0 {
		t.Errorf("%d indexes cannot be used", n)
	}
}

// migrateTo undoes migrations down to one.
func migrateTo(t *testing.T, schema string, version int64) {
	t.Helper()
	database, err := sql.Open("pgx", schema)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = database.Close() })
	provider, err := goose.NewProvider(goose.DialectPostgres, database, migrations.Files,
		goose.WithTableName("paybuf_migrations"), goose.WithDisableGlobalRegistry(true))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := provider.DownTo(t.Context(), version); err != nil {
		t.Fatal(err)
	}
}

// Rows of before are as they were; rows that older programs cannot know become such
// that those do no harm with them.
func TestMigrations_schedulesAndTombstonesGoDownAndUpWithTheirRows(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	for _, state := range payment.States() {
		if state != payment.Queued && state != payment.Scheduled {
			l.put("of "+string(state), state)
		}
	}
	scheduled := later(t, "scheduled", time.Now().Add(time.Hour))
	if _, err := l.Claim(t.Context(), []payment.Request{scheduled}, nil, lease); err != nil {
		t.Fatal(err)
	}
	bare := l.cancel(byOrder(order(t, "bare")))
	waiting := order(t, "waiting")
	l.cancel(payment.Cancellation{Tenant: tenant, ID: waiting.ID, Waiting: &waiting})
	const oldSQL = "SELECT count(*) FROM payments WHERE order_number LIKE 'of %' AND version <= 2 AND amount_minor = 1999"
	before := query[int](l, oldSQL)

	migrateTo(t, l.url, 7)
	if n := query[int](l, oldSQL); n != before {
		t.Errorf("%d of %d rows are as they were", n, before)
	}
	if n := l.count("payments WHERE id = $1 AND state = 'retrying' AND attempts = 0 AND next_at > now()", scheduled.ID); n != 1 {
		t.Error("the scheduled payment is not due later")
	}
	if n := l.count("payments WHERE id = $1 AND state = 'canceled' AND fingerprint IS NOT NULL", bare.ID); n != 1 {
		t.Error("the order that was canceled before it came is not")
	}
	l.refuses("23", "UPDATE payments SET state = 'scheduled', version = version + 1 WHERE state = 'retrying'")

	if _, err := postgres.Migrate(t.Context(), l.url); err != nil {
		t.Fatal(err)
	}
	if n := query[int](l, oldSQL); n != before {
		t.Errorf("%d of %d rows are as they were", n, before)
	}
	l.raw.Reset() // what was prepared is of other tables
	claimed, err := openLedger(t, l.url, postgres.Config{}).Claim(t.Context(), []payment.Request{order(t, "bare"), waiting}, nil, lease)
	if err != nil || len(claimed.Works) != 0 || claimed.Conflicts != 1 || claimed.Duplicates != 1 {
		t.Errorf("what was canceled is claimed: %+v, %v", claimed, err)
	}
}
