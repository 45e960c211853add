package postgres

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/paybuf/paybuf/payment"
)

// keyColumns are the columns of api_keys that scanKey reads, in its order.
const keyColumns = `id, tenant_id, hash, label, created_at, expires_at, revoked_at`

const addKeySQL = `
	INSERT INTO api_keys (id, tenant_id, hash, label, created_at, expires_at)
	VALUES ($1, $2, $3, $4, now(), $5)
	RETURNING ` + keyColumns

// AddKey adds an API key to its tenant, from now on by the database's clock, and
// returns it as it was stored. Its error has CodeNotFound if there is no such
// tenant, CodeInvalid if the key's id is taken.
func (db *DB) AddKey(ctx context.Context, key payment.APIKey) (payment.APIKey, error) {
	var expiresAt *time.Time
	if !key.ExpiresAt.IsZero() {
		expiresAt = &key.ExpiresAt
	}
	added, err := db.oneKey(ctx, "add an API key", addKeySQL, key.ID, key.Tenant, key.Hash[:], key.Label, expiresAt)
	switch {
	case is(err, foreignKeyViolation):
		return added, &payment.Error{Code: payment.CodeNotFound, Detail: "there is no tenant " + string(key.Tenant), Cause: err}
	case is(err, uniqueViolation):
		return added, &payment.Error{Code: payment.CodeInvalid, Detail: "there is an API key " + key.ID + " already", Cause: err}
	}
	return added, err
}

const revokeKeySQL = `
	UPDATE api_keys SET revoked_at = coalesce(revoked_at, now())
	 WHERE id = $1
	RETURNING ` + keyColumns

// RevokeKey ends a key at once and for ever. Doing it again keeps the first time.
// Its error has CodeNotFound if there is no such key.
func (db *DB) RevokeKey(ctx context.Context, id string) (payment.APIKey, error) {
	return db.oneKey(ctx, "revoke an API key", revokeKeySQL, id)
}

const expireKeySQL = `
	UPDATE api_keys SET expires_at = least(expires_at, $2)
	 WHERE id = $1
	RETURNING ` + keyColumns

// ExpireKey lets a key end at a time, or earlier if it does so already: a key's
// life is never made longer. Its error has CodeNotFound if there is no such key.
func (db *DB) ExpireKey(ctx context.Context, id string, at time.Time) (payment.APIKey, error) {
	return db.oneKey(ctx, "let an API key expire", expireKeySQL, id, at)
}

const keysSQL = `
	SELECT ` + keyColumns + `
	  FROM api_keys
	 WHERE $1 = '' OR tenant_id = $1
	 ORDER BY tenant_id, created_at, id`

// Keys reads a tenant's keys, or all if tenant is "": also those that have
// expired or were revoked, ordered by tenant and age.
func (db *DB) Keys(ctx context.Context, tenant payment.TenantID) ([]payment.APIKey, error) {
	var keys []payment.APIKey
	err := db.call(ctx, "read API keys", func(ctx context.Context, q querier) error {
		rows, err := q.Query(ctx, keysSQL, tenant)
		if err != nil {
			return err
		}
		keys, err = pgx.CollectRows(rows, scanKey)
		return err
	})
	return keys, err
}

// oneKey runs a statement that returns the key that it changed.
func (db *DB) oneKey(ctx context.Context, doing, sql string, args ...any) (payment.APIKey, error) {
	var key payment.APIKey
	err := db.call(ctx, doing, func(ctx context.Context, q querier) error {
		rows, err := q.Query(ctx, sql, args...)
		if err != nil {
			return err
		}
		key, err = pgx.CollectExactlyOneRow(rows, scanKey)
		if errors.Is(err, pgx.ErrNoRows) {
			return &payment.Error{Code: payment.CodeNotFound, Detail: "there is no such API key"}
		}
		return err
	})
	return key, err
}

func scanKey(row pgx.CollectableRow) (payment.APIKey, error) {
	var key payment.APIKey
	var hash []byte
	var expiresAt, revokedAt *time.Time
	err := row.Scan(&key.ID, &key.Tenant, &hash, &key.Label, &key.CreatedAt, &expiresAt, &revokedAt)
	copy(key.Hash[:], hash)
	key.CreatedAt = key.CreatedAt.UTC()
	key.ExpiresAt, key.RevokedAt = instant(expiresAt), instant(revokedAt)
	return key, err
}
