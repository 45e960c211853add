package postgres

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/paybuf/paybuf/payment"
)

// endpointColumns are what scanEndpoint reads of webhook_endpoints n. An old secret
// whose time is over is none.
const endpointColumns = `n.id, n.tenant_id, n.url, n.description, n.event_types,
	n.status, n.status_reason, n.status_at, n.failing_since, n.resume_at, n.secret_key, n.secret,
	CASE WHEN n.old_secret_until > now() THEN n.old_secret_key ELSE '' END,
	CASE WHEN n.old_secret_until > now() THEN n.old_secret END,
	CASE WHEN n.old_secret_until > now() THEN n.old_secret_until END, n.created_at, n.updated_at`

func scanEndpoint(row pgx.CollectableRow) (payment.Endpoint, error) {
	var e payment.Endpoint
	var failingSince, resumeAt, oldUntil *time.Time
	err := row.Scan(
		&e.ID, &e.Tenant, &e.URL, &e.Description, &e.EventTypes,
		&e.Status, &e.StatusReason, &e.StatusAt, &failingSince, &resumeAt, &e.Secret.KeyID, &e.Secret.Data,
		&e.OldSecret.KeyID, &e.OldSecret.Data, &oldUntil, &e.CreatedAt, &e.UpdatedAt,
	)
	e.StatusAt, e.CreatedAt, e.UpdatedAt = e.StatusAt.UTC(), e.CreatedAt.UTC(), e.UpdatedAt.UTC()
	e.FailingSince, e.ResumeAt, e.OldSecretUntil = instant(failingSince), instant(resumeAt), instant(oldUntil)
	return e, err
}

// readEndpoint runs a statement that gives one endpoint. Without any the error has
// CodeNotFound.
func readEndpoint(ctx context.Context, q querier, sql string, args ...any) (payment.Endpoint, error) {
	rows, err := q.Query(ctx, sql, args...)
	if err != nil {
		return payment.Endpoint{}, err
	}
	found, err := pgx.CollectExactlyOneRow(rows, scanEndpoint)
	if errors.Is(err, pgx.ErrNoRows) {
		return found, errNoEndpoint()
	}
	return found, err
}

// oneEndpoint is readEndpoint as a call of its own.
func (db *DB) oneEndpoint(ctx context.Context, doing, sql string, args ...any) (payment.Endpoint, error) {
	var found payment.Endpoint
	err := db.call(ctx, doing, func(ctx context.Context, q querier) (err error) {
		found, err = readEndpoint(ctx, q, sql, args...)
		return err
	})
	return found, err
}

func errNoEndpoint() error {
	return &payment.Error{Code: payment.CodeNotFound, Detail: "there is no such webhook endpoint"}
}
