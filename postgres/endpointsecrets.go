package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/paybuf/paybuf/payment"
)

// Of two old secrets the older one ends: an endpoint has one that signs and one that
// signs too.
const rotateSecretSQL = `
	UPDATE webhook_endpoints n
	   SET old_secret = CASE WHEN $5::bigint > 0 THEN n.secret END,
	       old_secret_key = CASE WHEN $5 > 0 THEN n.secret_key END,
	       old_secret_until = CASE WHEN $5 > 0 THEN now() + $5 * interval '1 microsecond' END,
	       secret = $3, secret_key = $4, updated_at = now()
	 WHERE n.id = $1 AND n.tenant_id = $2 AND n.status <> 'deleted'
	RETURNING ` + endpointColumns

// RotateSecret gives an endpoint another secret and lets the one so far sign too for
// the overlap, by the database's clock; 0 ends it at once.
func (db *DB) RotateSecret(
	ctx context.Context, tenant payment.TenantID, id payment.EndpointID, secret payment.Sealed, overlap time.Duration,
) (payment.Endpoint, error) {
	return db.oneEndpoint(ctx, "rotate an endpoint's secret", rotateSecretSQL,
		id, tenant, secret.Data, secret.KeyID, overlap.Microseconds())
}

//nolint:gosec // it names columns and holds no secret
const forgetOldSecretsSQL = `
	UPDATE webhook_endpoints
	   SET old_secret = NULL, old_secret_key = NULL, old_secret_until = NULL
	 WHERE old_secret_until <= now()`

// ForgetOldSecrets removes the old secrets whose time is over.
func (db *DB) ForgetOldSecrets(ctx context.Context) error {
	return db.call(ctx, "forget old secrets", func(ctx context.Context, q querier) error {
		_, err := q.Exec(ctx, forgetOldSecretsSQL)
		return err
	})
}

const sealedOtherwiseSQL = `
	SELECT ` + endpointColumns + `
	  FROM webhook_endpoints n
	 WHERE n.id > $2 AND n.status <> 'deleted'
	   AND (n.secret_key <> $1 OR (n.old_secret_key <> $1 AND n.old_secret_until > now()))
	 ORDER BY n.id
	 LIMIT $3`

// EndpointsSealedOtherwise reads endpoints, of all tenants, of which a secret is sealed
// with another key than this, in the order of their ids and behind one of them.
func (db *DB) EndpointsSealedOtherwise(
	ctx context.Context, keyID string, behind payment.EndpointID, limit int,
) ([]payment.Endpoint, error) {
	var found []payment.Endpoint
	err := db.call(ctx, "read what other keys have sealed", func(ctx context.Context, q querier) error {
		rows, err := q.Query(ctx, sealedOtherwiseSQL, keyID, behind, limit)
		if err != nil {
			return err
		}
		found, err = pgx.CollectRows(rows, scanEndpoint)
		return err
	})
	return found, err
}

// A rotation may have made the secret the old one since it was read.
const resealSQL = `
	UPDATE webhook_endpoints
	   SET secret = CASE WHEN secret = $2 THEN $4 ELSE secret END,
	       secret_key = CASE WHEN secret = $2 THEN $5 ELSE secret_key END,
	       old_secret = CASE WHEN old_secret = $2 THEN $4 ELSE old_secret END,
	       old_secret_key = CASE WHEN old_secret = $2 THEN $5 ELSE old_secret_key END
	 WHERE id = $1 AND ((secret = $2 AND secret_key = $3) OR (old_secret = $2 AND old_secret_key = $3))`

// Reseal puts a value in the place of another that seals the same secret. It changes
// nothing if that is not there any more.
func (db *DB) Reseal(ctx context.Context, id payment.EndpointID, was, now payment.Sealed) error {
	return db.call(ctx, "seal a secret anew", func(ctx context.Context, q querier) error {
		_, err := q.Exec(ctx, resealSQL, id, was.Data, was.KeyID, now.Data, now.KeyID)
		return err
	})
}
