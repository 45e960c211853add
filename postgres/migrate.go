package postgres

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"hash/crc32"
	"path"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"

	"github.com/paybuf/paybuf/migrations"
)

const (
	migrateTimeout   = 10 * time.Minute
	migrateConnsMax  = 2
	serverVersionMin = 150000 // UNIQUE NULLS NOT DISTINCT came with Postgres 15
	versionTable     = "paybuf_migrations"
	// The lock of another process that migrates is tried for, each second for two
	// minutes.
	lockProbeSeconds = 1
	lockProbesMax    = 120
)

var errMigrateSlow = errors.New("the migrations took longer than they may")

// Migrate brings the schema that the URL leads to (its search_path) up to date
// and returns the names of the files that it applied, none if there was nothing
// to do. Several processes may do it at once: one works, the others wait for it.
// A migration that fails leaves those before it applied.
func Migrate(ctx context.Context, url string) (applied []string, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, migrateTimeout, errMigrateSlow)
	defer cancel()
	config, err := pgx.ParseConfig(url)
	if err != nil {
		return nil, badURL(err)
	}
	// A change that waits for a lock makes all traffic queue behind it.
	setUp(config, url, map[string]string{"lock_timeout": milliseconds(lockTimeoutDefault)})
	database := stdlib.OpenDB(*config)
	defer func() { err = errors.Join(err, database.Close()) }()
	database.SetMaxOpenConns(migrateConnsMax)
	applied, err = migrate(ctx, database)
	if err != nil {
		return applied, coded(ctx, "migrate", err)
	}
	return applied, nil
}

func migrate(ctx context.Context, database *sql.DB) ([]string, error) {
	lockID, err := migrationLock(ctx, database)
	if err != nil {
		return nil, err
	}
	locker, err := lock.NewPostgresSessionLocker(
		lock.WithLockID(lockID), lock.WithLockTimeout(lockProbeSeconds, lockProbesMax))
	if err != nil {
		return nil, err
	}
	provider, err := goose.NewProvider(goose.DialectPostgres, database, migrations.Files,
		goose.WithTableName(versionTable), goose.WithSessionLocker(locker),
		goose.WithDisableGlobalRegistry(true), goose.WithLogger(goose.NopLogger()))
	if err != nil {
		return nil, err
	}
	results, err := provider.Up(ctx)
	if partial, failed := errors.AsType[*goose.PartialError](err); failed {
		results = partial.Applied
		err = fmt.Errorf("%s: %w", path.Base(partial.Failed.Source.Path), err)
	}
	var applied []string
	for _, result := range results {
		applied = append(applied, path.Base(result.Source.Path))
	}
	if err != nil {
		return applied, err
	}
	return applied, raisePlaces(ctx, database)
}

const serverSQL = `SELECT current_setting('server_version_num')::integer, coalesce(current_schema(), '')`

// migrationLock gives the id of the advisory lock. Those locks are the database's,
// so it takes one per schema.
func migrationLock(ctx context.Context, database *sql.DB) (int64, error) {
	var version int
	var schema string
	if err := database.QueryRowContext(ctx, serverSQL).Scan(&version, &schema); err != nil {
		return 0, err
	}
	switch {
	case version < serverVersionMin:
		return 0, misfit("Postgres 15 or newer is needed")
	case schema == "":
		return 0, misfit(detailNoSchema)
	}
	return int64(crc32.ChecksumIEEE([]byte("paybuf migrations of " + schema))), nil
}
