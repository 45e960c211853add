package postgres

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/pressly/goose/v3"

	"github.com/paybuf/paybuf/migrations"
	"github.com/paybuf/paybuf/payment"
)

// MigrationStatus tells of one step of the schema whether it was made.
type MigrationStatus struct {
	Version   int64
	Name      string    // of the file; "" if this program does not have it, because it is older than the schema
	AppliedAt time.Time // zero: not yet
}

// MigrationStatuses reads which migrations the schema that the URL leads to has
// and lacks, in their order. It changes nothing, not even in an empty database.
func MigrationStatuses(ctx context.Context, url string) (all []MigrationStatus, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, Config{}.withDefaults().CallTimeout, errCallSlow)
	defer cancel()
	config, err := pgx.ParseConfig(url)
	if err != nil {
		return nil, badURL(err)
	}
	setUp(config, url, nil)
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return nil, coded(ctx, "connect", err)
	}
	defer func() { err = errors.Join(err, conn.Close(ctx)) }()
	all, err = readMigrations(ctx, conn)
	if err != nil {
		return nil, coded(ctx, "read the migrations", err)
	}
	return all, nil
}

// CheckSchema tells whether this program can work with the database's tables. If
// they are missing or older, its error has CodeConfig and names the command that
// helps. If they are newer it is nil: migrations only expand what is there, so
// that old and new programs work side by side during an upgrade. One that cannot
// raises the floor, and then the error, CodeConfig too, asks for a newer program.
func (db *DB) CheckSchema(ctx context.Context) error {
	return db.call(ctx, "check the schema", func(ctx context.Context, q querier) error {
		all, err := readMigrations(ctx, q)
		if err != nil {
			return err
		}
		known := slices.DeleteFunc(all, func(m MigrationStatus) bool { return m.Name == "" })
		missing := 0
		for _, migration := range known {
			if migration.AppliedAt.IsZero() {
				missing++
			}
		}
		switch missing {
		case 0:
			return checkFloor(ctx, q, known[len(known)-1].Version)
		case len(known):
			return misfit("the database has no Paybuf tables; run `paybuf migrate up`")
		}
		return misfit("the database lacks %d of %d migrations; run `paybuf migrate up`", missing, len(known))
	})
}

const schemaFloorSQL = `SELECT needs FROM schema_floor`

func checkFloor(ctx context.Context, q querier, newest int64) error {
	var needs int64
	if err := q.QueryRow(ctx, schemaFloorSQL).Scan(&needs); err != nil {
		return err
	}
	if needs > newest {
		return misfit("this program knows migrations up to %d, and the database needs one that knows %d; "+
			"start a newer paybuf", newest, needs)
	}
	return nil
}

func misfit(format string, args ...any) error {
	return &payment.Error{Code: payment.CodeConfig, Detail: fmt.Sprintf(format, args...)}
}

// readMigrations merges the files with what the database says was applied.
func readMigrations(ctx context.Context, q querier) ([]MigrationStatus, error) {
	all, err := migrationFiles()
	if err != nil {
		return nil, err
	}
	applied, err := appliedMigrations(ctx, q)
	if err != nil {
		return nil, err
	}
	for i := range all {
		all[i].AppliedAt = applied[all[i].Version]
		delete(applied, all[i].Version)
	}
	for version, at := range applied {
		all = append(all, MigrationStatus{Version: version, AppliedAt: at})
	}
	slices.SortFunc(all, func(a, b MigrationStatus) int { return cmp.Compare(a.Version, b.Version) })
	return all, nil
}

const appliedMigrationsSQL = `
	SELECT version_id, tstamp::timestamptz
	  FROM ` + versionTable + `
	 WHERE is_applied AND version_id > 0`

// appliedMigrations gives the time of each, by version; none if there is not even
// the table that would list them.
func appliedMigrations(ctx context.Context, q querier) (map[int64]time.Time, error) {
	applied := map[int64]time.Time{}
	rows, err := q.Query(ctx, appliedMigrationsSQL)
	if err == nil {
		var version int64
		var at time.Time
		_, err = pgx.ForEachRow(rows, []any{&version, &at}, func() error {
			applied[version] = at.UTC()
			return nil
		})
	}
	if err != nil && !is(err, undefinedTable) {
		return nil, err
	}
	return applied, nil
}

func migrationFiles() ([]MigrationStatus, error) {
	names, err := fs.Glob(migrations.Files, "*.sql")
	if err != nil {
		return nil, err
	}
	var files []MigrationStatus
	for _, name := range names {
		version, err := goose.NumericComponent(name)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		files = append(files, MigrationStatus{Version: version, Name: name})
	}
	return files, nil
}
