package postgres_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/paybuf/paybuf/internal/local/localtest"
	"github.com/paybuf/paybuf/payment"
	"github.com/paybuf/paybuf/postgres"
)

func TestCheckSchema_namesTheCommandThatHelps(t *testing.T) {
	t.Parallel()
	l := openLedger(t, localtest.Postgres(t), postgres.Config{})
	mustSay(t, l.CheckSchema(t.Context()), "no Paybuf tables", "`paybuf migrate up`")

	if _, err := postgres.Migrate(t.Context(), l.url); err != nil {
		t.Fatal(err)
	}
	if err := l.CheckSchema(t.Context()); err != nil {
		t.Errorf("after the migration: %v", err)
	}
	l.exec("DELETE FROM paybuf_migrations WHERE version_id > 3")
	mustSay(t, l.CheckSchema(t.Context()), fmt.Sprintf("lacks %d of %d", len(migrationNames(t))-3, len(migrationNames(t))), "`paybuf migrate up`")
}

func TestCheckSchema_newerTablesAreFineUntilTheFloorRises(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	l.exec("INSERT INTO paybuf_migrations (version_id, is_applied) VALUES (999, true)")
	if err := l.CheckSchema(t.Context()); err != nil {
		t.Errorf("a newer schema that only expands: %v", err)
	}
	l.exec("UPDATE schema_floor SET needs = 999")
	mustSay(t, l.CheckSchema(t.Context()), "999", "newer paybuf")
}

func mustSay(t *testing.T, err error, words ...string) {
	t.Helper()
	mustCode(t, err, payment.CodeConfig)
	_, detail := payment.CodeOf(err)
	for _, word := range words {
		if !strings.Contains(detail, word) {
			t.Errorf("%q does not say %q", detail, word)
		}
	}
}

func TestMigrationStatuses_changeNothing(t *testing.T) {
	t.Parallel()
	l := openLedger(t, localtest.Postgres(t), postgres.Config{})
	statuses, err := postgres.MigrationStatuses(t.Context(), l.url)
	if err != nil || len(statuses) != len(migrationNames(t)) {
		t.Fatalf("%+v, %v", statuses, err)
	}
	for i, status := range statuses {
		if status.Version != int64(i+1) || status.Name != migrationNames(t)[i] || !status.AppliedAt.IsZero() {
			t.Errorf("unexpected status: %+v", status)
		}
	}
	if n := l.count("pg_class WHERE relnamespace = current_schema()::regnamespace"); n != 0 {
		t.Errorf("%d tables were made", n)
	}
}

func TestMigrationStatuses_tellWhatWasAppliedByWhom(t *testing.T) {
	t.Parallel()
	l := newLedger(t)
	l.exec("INSERT INTO paybuf_migrations (version_id, is_applied) VALUES (999, true)")
	statuses, err := postgres.MigrationStatuses(t.Context(), l.url)
	if err != nil {
		t.Fatal(err)
	}
	for _, status := range statuses {
		if status.AppliedAt.IsZero() || (status.Version == 999) != (status.Name == "") {
			t.Errorf("unexpected status: %+v", status)
		}
	}
	if len(statuses) != len(migrationNames(t))+1 {
		t.Errorf("%d migrations", len(statuses))
	}
	_, err = postgres.MigrationStatuses(t.Context(), "postgres://127.0.0.1:1/")
	mustCode(t, err, payment.CodeUnavailable)
}
