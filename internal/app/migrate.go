package app

import (
	"context"

	"github.com/paybuf/paybuf/postgres"
)

// Migrate brings a database's tables up to date and names what it applied.
func Migrate(ctx context.Context, postgresURL string) ([]string, error) {
	if postgresURL == "" {
		return nil, configError("give --postgres URL")
	}
	return postgres.Migrate(ctx, postgresURL)
}

// Migrations tells which migrations a database has and lacks.
func Migrations(ctx context.Context, postgresURL string) ([]postgres.MigrationStatus, error) {
	if postgresURL == "" {
		return nil, configError("give --postgres URL")
	}
	return postgres.MigrationStatuses(ctx, postgresURL)
}
