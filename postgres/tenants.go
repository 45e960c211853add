package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/paybuf/paybuf/payment"
)

const createTenantSQL = `
	INSERT INTO tenants (id, name, created_at)
	VALUES ($1, $2, now())
	RETURNING created_at`

// CreateTenant adds a tenant. Its error has CodeInvalid if the id is taken.
func (db *DB) CreateTenant(ctx context.Context, id payment.TenantID, name string) (payment.Tenant, error) {
	tenant := payment.Tenant{ID: id, Name: name}
	err := db.call(ctx, "create a tenant", func(ctx context.Context, q querier) error {
		err := q.QueryRow(ctx, createTenantSQL, id, name).Scan(&tenant.CreatedAt)
		if is(err, uniqueViolation) {
			return refused("there is a tenant %s already", id)
		}
		return err
	})
	tenant.CreatedAt = tenant.CreatedAt.UTC()
	return tenant, err
}

const tenantsSQL = `SELECT id, name, created_at FROM tenants ORDER BY id`

// Tenants reads all tenants, ordered by id.
func (db *DB) Tenants(ctx context.Context) ([]payment.Tenant, error) {
	var tenants []payment.Tenant
	err := db.call(ctx, "read the tenants", func(ctx context.Context, q querier) error {
		rows, err := q.Query(ctx, tenantsSQL)
		if err != nil {
			return err
		}
		tenants, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (payment.Tenant, error) {
			var tenant payment.Tenant
			var createdAt time.Time
			err := row.Scan(&tenant.ID, &tenant.Name, &createdAt)
			tenant.CreatedAt = createdAt.UTC()
			return tenant, err
		})
		return err
	})
	return tenants, err
}
