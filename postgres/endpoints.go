package postgres

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/paybuf/paybuf/payment"
)

// Those who add one to the same tenant wait for each other: each counts what the one
// before it has committed.
const lockTenantSQL = `SELECT pg_advisory_xact_lock(hashtextextended('webhook endpoints of ' || $1::text, 0))`

const createEndpointSQL = `
	INSERT INTO webhook_endpoints AS n (id, tenant_id, url, description, event_types, status, status_at,
	                                    secret, secret_key, created_at, updated_at)
	SELECT $1, $2, $3, $4, $5::text[], 'enabled', now(), $6::bytea, $7, now(), now()
	 WHERE (SELECT count(*) FROM webhook_endpoints WHERE tenant_id = $2 AND status <> 'deleted') < $8
	RETURNING ` + endpointColumns

// CreateEndpoint adds an enabled endpoint to its tenant and gives it as it was stored.
// Its error has CodeTooManyEndpoints if the tenant has payment.EndpointsMax already.
func (db *DB) CreateEndpoint(ctx context.Context, e payment.Endpoint) (payment.Endpoint, error) {
	var created payment.Endpoint
	err := db.transact(ctx, "create a webhook endpoint", func(ctx context.Context, q querier) error {
		if _, err := q.Exec(ctx, lockTenantSQL, e.Tenant); err != nil {
			return err
		}
		rows, err := q.Query(ctx, createEndpointSQL, e.ID, e.Tenant, e.URL, e.Description, orEmpty(e.EventTypes),
			e.Secret.Data, e.Secret.KeyID, payment.EndpointsMax)
		if err != nil {
			return err
		}
		created, err = pgx.CollectExactlyOneRow(rows, scanEndpoint)
		if errors.Is(err, pgx.ErrNoRows) {
			return &payment.Error{
				Code:   payment.CodeTooManyEndpoints,
				Detail: fmt.Sprintf("there are %d webhook endpoints already, which is as many as may be; delete one", payment.EndpointsMax),
			}
		}
		return err
	})
	return created, err
}

// orEmpty is for a column that is never NULL.
func orEmpty(texts []string) []string {
	if texts == nil {
		return []string{}
	}
	return texts
}

const endpointsSQL = `
	SELECT ` + endpointColumns + `
	  FROM webhook_endpoints n
	 WHERE n.tenant_id = $1 AND n.status <> 'deleted'
	 ORDER BY n.created_at, n.id
	 LIMIT $2`

// Endpoints reads a tenant's endpoints, the oldest first.
func (db *DB) Endpoints(ctx context.Context, tenant payment.TenantID) ([]payment.Endpoint, error) {
	var found []payment.Endpoint
	err := db.call(ctx, "read webhook endpoints", func(ctx context.Context, q querier) error {
		rows, err := q.Query(ctx, endpointsSQL, tenant, payment.EndpointsMax)
		if err != nil {
			return err
		}
		found, err = pgx.CollectRows(rows, scanEndpoint)
		return err
	})
	return found, err
}

const endpointSQL = `
	SELECT ` + endpointColumns + `
	  FROM webhook_endpoints n
	 WHERE n.id = $1 AND n.tenant_id = $2 AND n.status <> 'deleted'`

// Endpoint reads an endpoint of the tenant. Its error has CodeNotFound if the tenant
// has no such endpoint, whether or not another has, or had one that is deleted.
func (db *DB) Endpoint(
	ctx context.Context, tenant payment.TenantID, id payment.EndpointID,
) (payment.Endpoint, error) {
	return db.oneEndpoint(ctx, "read a webhook endpoint", endpointSQL, id, tenant)
}

// What was known of another URL says nothing of the new one, and an owner that enables
// an endpoint says that it works again.
const updateEndpointSQL = `
	UPDATE webhook_endpoints n
	   SET url = coalesce($3, n.url),
	       description = coalesce($4, n.description),
	       event_types = coalesce($5::text[], n.event_types),
	       status = coalesce($6, n.status),
	       status_reason = CASE WHEN $6 = n.status THEN n.status_reason WHEN $6 = 'enabled' THEN ''
	                            WHEN $6 = 'disabled' THEN 'owner' ELSE n.status_reason END,
	       status_at = CASE WHEN $6 <> n.status THEN now() ELSE n.status_at END,
	       failing_since = CASE WHEN $3 <> n.url OR ($6 = 'enabled' AND n.status = 'disabled') THEN NULL
	                            ELSE n.failing_since END,
	       resume_at = CASE WHEN $3 <> n.url OR ($6 = 'enabled' AND n.status = 'disabled') THEN NULL
	                        ELSE n.resume_at END,
	       updated_at = now()
	 WHERE n.id = $1 AND n.tenant_id = $2 AND n.status <> 'deleted'
	RETURNING ` + endpointColumns

// UpdateEndpoint changes an endpoint and gives it as it is then. What waits for one
// that becomes disabled is dead with that: up to BatchMax at once, the rest is swept.
func (db *DB) UpdateEndpoint(
	ctx context.Context, tenant payment.TenantID, id payment.EndpointID, change payment.EndpointChange,
) (payment.Endpoint, error) {
	var types any // NULL
	if change.EventTypes != nil {
		types = orEmpty(*change.EventTypes)
	}
	var updated payment.Endpoint
	err := db.transact(ctx, "change a webhook endpoint", func(ctx context.Context, q querier) (err error) {
		updated, err = readEndpoint(ctx, q, updateEndpointSQL, id, tenant, change.URL, change.Description, types, change.Status)
		if err == nil && change.Status != nil && updated.Status == payment.EndpointDisabled {
			_, err = q.Exec(ctx, endWaitingSQL, id, payment.DeadEndpointDisabled, BatchMax)
		}
		return err
	})
	return updated, err
}

const deleteEndpointSQL = `
	UPDATE webhook_endpoints n
	   SET status = 'deleted', status_reason = '', status_at = now(), failing_since = NULL, resume_at = NULL,
	       secret = '', secret_key = '', old_secret = NULL, old_secret_key = NULL, old_secret_until = NULL,
	       updated_at = now()
	 WHERE n.id = $1 AND n.tenant_id = $2 AND n.status <> 'deleted'
	RETURNING ` + endpointColumns

// Those that a worker writes at this moment are left to the sweep.
const endWaitingSQL = `
	WITH waiting AS (
		SELECT sequence
		  FROM webhook_deliveries
		 WHERE endpoint_id = $1 AND state = 'waiting'
		 LIMIT $3
		   FOR UPDATE SKIP LOCKED
	)
	UPDATE webhook_deliveries d
	   SET state = 'dead', reason = $2, next_at = NULL, updated_at = now()
	  FROM waiting w
	 WHERE d.endpoint_id = $1 AND d.sequence = w.sequence`

// DeleteEndpoint deletes an endpoint with its secrets; the log of its deliveries stays
// for operators. What waits for it is dead with that, as with UpdateEndpoint.
func (db *DB) DeleteEndpoint(ctx context.Context, tenant payment.TenantID, id payment.EndpointID) error {
	return db.transact(ctx, "delete a webhook endpoint", func(ctx context.Context, q querier) error {
		if _, err := readEndpoint(ctx, q, deleteEndpointSQL, id, tenant); err != nil {
			return err
		}
		_, err := q.Exec(ctx, endWaitingSQL, id, payment.DeadEndpointDeleted, BatchMax)
		return err
	})
}
