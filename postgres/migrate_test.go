package postgres_test

import (
	"context"
	"database/sql"
	"io/fs"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

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
	if _, err := provider.DownTo(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
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
